import dataclasses

import pytest
from pydantic import ValidationError

from muse.emotions import MIKELS, Taxonomy
from muse.emotions.taxonomies import EMOTION6
from muse.method import Settings
from pipeline.config_tables import Images, TaxonomySetting, Texts


class Both(Settings):
    taxonomy: TaxonomySetting = MIKELS
    texts: Texts = ()


@pytest.mark.parametrize("given", ["emotion6", dataclasses.asdict(EMOTION6), EMOTION6])
def test_a_taxonomy_is_given_by_name_as_a_table_or_as_itself(given):
    both = Both(taxonomy=given)
    assert both.taxonomy is EMOTION6 or both.taxonomy == EMOTION6
    assert Taxonomy.of(both.model_dump()["taxonomy"]) == EMOTION6


def test_a_taxonomy_is_given_by_a_file(tmp_path):
    file = tmp_path / "two.toml"
    file.write_text('name = "two"\nlabels = ["good", "bad"]\npolarity = [1, -1]\nwheel = []\n')
    assert Both(taxonomy=str(file)).taxonomy.labels == ("good", "bad")


@pytest.mark.parametrize("given", [["a", " b "], ("a", "b")])
def test_texts_are_given_as_a_list_and_held_as_a_tuple(given):
    assert Both(texts=given).texts == ("a", "b")


@pytest.mark.parametrize(
    "change", [{"taxonomy": 3}, {"taxonomy": "none"}, {"texts": "ab"}, {"texts": [1]}]
)
def test_other_values_are_refused(change):
    with pytest.raises(ValidationError):
        Both(**change)


@pytest.mark.parametrize(
    "change", [{"max_bytes": 0}, {"max_pixels": 2**31 + 1}, {"timeout_s": 0}, {"schemes": "file"}]
)
def test_source_images_have_limits(change):
    with pytest.raises(ValidationError):
        Images(**change)
