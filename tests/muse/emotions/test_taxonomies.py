import os
from dataclasses import asdict

import pytest

from muse.emotions import MIKELS, Target, Taxonomy
from muse.emotions.taxonomies import TAXONOMIES, load_taxonomy
from muse.guidance.losses import similar_mask

MOODS = """
name = "moods"
labels = ["calm", "glee", "gloom", "rage"]
polarity = [1, 1, -1, -1]
wheel = ["calm", "glee", "rage", "gloom"]
"""


@pytest.mark.parametrize("name", TAXONOMIES)
def test_every_taxonomy_takes_mixtures_and_keeps_similar_emotions_to_the_polarity(name):
    taxonomy = load_taxonomy(name)
    first, last = taxonomy.labels[0], taxonomy.labels[-1]
    target = Target.of({first: 0.75, last: 0.25}, taxonomy)
    assert target.members == (first, last)
    assert len(similar_mask(target)) == len(taxonomy) == len(taxonomy.polarity)
    assert target.confidence(target.weights) == pytest.approx(1)
    sign = dict(zip(taxonomy.labels, taxonomy.polarity, strict=True))
    for label in taxonomy.labels:
        assert all(sign[near] == sign[label] and near != label for near in taxonomy.similar(label))


def test_published_orders():
    assert load_taxonomy("mikels-8") is MIKELS
    six = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    assert load_taxonomy("emotion6").labels == six
    assert load_taxonomy("artemis-9").labels == (*MIKELS.labels, "something else")
    assert set(load_taxonomy("emotion6").similar("fear")) == {"anger"}
    assert load_taxonomy("emotion6").similar("neutral") == ()


def test_a_users_own_from_a_file(tmp_path):
    file = tmp_path / "moods.toml"
    file.write_text(MOODS)
    moods = load_taxonomy(str(file))
    assert moods.similar("rage") == ("gloom",)
    assert Taxonomy.of(asdict(moods)) == moods


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[1, 1, -1, -1]", "[1, 1, -1]"), "polarity is .* for each of the 4 labels"),
        (("[1, 1, -1, -1]", "[1, 1, -1, 7]"), "give 1, 0 or -1"),
        (('["calm", "glee", "rage"', '["calm", "joy", "rage"'), "wheel names joy"),
        (('"glee", "gloom"', '"calm", "gloom"'), "labels names calm twice"),
        (('"glee", "gloom"', '"Glee", "gloom"'), "'Glee' must be in lower case"),
        (('name = "moods"', ""), "name: missing or unknown"),
        (('name = "moods"', 'name = "moods"\ncolour = 1'), "colour: missing or unknown"),
        (("[1, 1, -1, -1]", '"good"'), "give a list of int"),
        (('name = "moods"', "name ="), "moods.toml: "),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path, change, message):
    file = tmp_path / "moods.toml"
    file.write_text(MOODS.replace(*change))
    assert file.read_text() != MOODS
    with pytest.raises(ValueError, match=message):
        load_taxonomy(str(file))


def test_an_unknown_name_or_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'emotion6'"):
        load_taxonomy("emotions6")
    with pytest.raises(ValueError, match="cannot be read"):
        load_taxonomy(str(tmp_path / "none.toml"))


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_instead_of_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ValueError, match="not a regular file"):
        load_taxonomy(str(tmp_path / "pipe.toml"))
