"""The data card says what was made, by what, and stays Markdown whatever names hold."""

import pyarrow as pa
import pytest
import yaml

from muse.emotions import MIKELS, Taxonomy
from pipeline.config import Config, as_dict
from pipeline.index.card import card_text
from pipeline.output.records import record_schema
from pipeline.output.run.run_file import RunFile
from tests.support.local_runs import run_locally, write_rows

HOSTILE = ("<script>alert(1)</script>", "a|b", "two\nlines", "\u202egnp", "![x](http://y)", "`rm`")


def _card(counts=None, **settings):
    """The card of a corpus with these settings, its header parsed and its text."""
    config = Config(**settings)
    labels = config.taxonomy.labels
    model = {"name": HOSTILE[0], "sha256": "0" * 64}
    parts = {"versions": {"muse-batch": "1.0"}, "models": {HOSTILE[1]: model}}
    run = RunFile("f", parts, as_dict(config), False, "m.parquet", 3, 3)
    count = {"requests": 3, "accepted": 2}
    counts = {
        "requests": 3,
        "accepted": 2,
        "rejected": 1,
        "failed": 0,
        "emotions": dict.fromkeys(labels, count),
        "mixtures": {},
        "tasks": {"generate": 3},
    } | (counts or {})
    text = card_text(run, counts, record_schema(labels, config.filters, pa.schema([])), "0" * 64)
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


@pytest.fixture
def card(tmp_path) -> str:
    run_locally(write_rows(tmp_path / "m.parquet", 12), tmp_path / "out")
    return (tmp_path / "out" / "README.md").read_text()


def test_a_corpus_has_it_with_its_counts_and_a_dry_run_is_called_one(card):
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["configs"][0]["data_files"] == "shards/*.tar"
    assert header["size_categories"] == ["n<1K"]
    assert "| 12 | " in card
    assert "| awe | 12 | " in card
    assert "they show nothing" in card
    assert "no human has confirmed a label" in card


def test_what_became_of_source_images_is_told_where_there_are_any():
    assert "cropped to their middle" not in _card()[1]
    assert "cropped to their middle" in _card({"tasks": {"edit": 3}})[1]
    assert "were padded" in _card({"tasks": {"edit": 3}}, resize="pad")[1]


def test_a_corpus_without_samples_says_so_and_shows_what_can_be_read():
    header, body = _card({"accepted": 0})
    assert "**No sample was accepted**" in body
    assert "contact_sheet.png" not in body
    assert "pandas.read_parquet" in body
    assert "*.tar" not in body[body.index("## Reading it") :]
    assert header["configs"] == [{"config_name": "default", "data_files": "metadata.parquet"}]
    assert "features" not in header["dataset_info"]


def test_a_run_without_models_has_no_empty_code_span(card):
    assert "``" not in card.replace("```", "")
    assert "No model took part." in card
    assert "The scores are numbers drawn from seeds." in card


def test_its_header_has_types_a_license_to_fill_in_and_named_classes():
    header, body = _card()
    assert header["license"] == "unknown"
    assert header["task_categories"] == ["image-classification", "text-to-image"]
    features = {feature["name"]: feature for feature in header["dataset_info"]["features"]}
    names = features["cls"]["dtype"]["class_label"]["names"]
    assert list(names.values()) == list(MIKELS.labels)
    assert "must not" in body


def test_mixtures_have_counts_and_a_class_of_their_own():
    mixtures = {"awe 0.5 + fear 0.5": {"requests": 4, "accepted": 1}}
    header, body = _card({"mixtures": mixtures, "tasks": {"edit": 1, "generate": 2}})
    assert "| awe 0.5 + fear 0.5 | 4 | 1 | 25% |" in body
    assert "| 8 | mixture |" in body
    assert "image-to-image" in header["task_categories"]


def test_every_threshold_is_named():
    filters = {"filters": {"safety": 0.5}, "filter_models": {"safety": "/m:safe"}}
    body = _card(
        min_confidence=0.7,
        min_similarity=0.1,
        min_source_similarity=0.2,
        near_duplicates=4,
        quota=9,
        **filters,
    )[1]
    for line in (
        "| judge&#95;confidence | at least 0.7 |".replace("&#95;", "_"),
        "| similarity | at least 0.1 |",
        "| source_similarity | at least 0.2 |",
        "| score&#95;safety | at least 0.5 |",
        "| phash | more than 4 bits from every earlier sample |",
        "| samples of one emotion | 9 at most |",
    ):
        assert line in body


def test_names_that_others_wrote_are_no_markup():
    labels = tuple(name.lower() for name in HOSTILE)
    taxonomy = Taxonomy("x", labels, (1,) * len(labels), ())
    header, body = _card(taxonomy=taxonomy)
    for name in HOSTILE:
        assert name.lower() not in body
    assert "\u202e" not in body
    tables = [line for line in body.splitlines() if line.startswith("|")]
    assert all(line.count("|") in (3, 4, 5) for line in tables)
    features = {feature["name"]: feature for feature in header["dataset_info"]["features"]}
    assert list(features["cls"]["dtype"]["class_label"]["names"].values()) == list(labels)
