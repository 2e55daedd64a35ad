"""Specifications of classifier folders, read without loading any weights."""

import pytest

from muse.classifiers.spec import read_spec
from muse.emotions import MIKELS
from muse.mini import WEIGHTS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "oracle"}, "choose model, zero-shot, head or ensemble"),
        ({"kind": "ensemble", "members": ["."]}, "two folders or more"),
        ({"kind": "ensemble", "members": [".", "."]}, "member of itself"),
        (
            {"kind": "ensemble", "members": [str(WEIGHTS / "guide"), str(WEIGHTS / "place")]},
            "place: the labels",
        ),
        (
            {
                "kind": "head",
                "backbone": str(WEIGHTS / "clip"),
                "head": "head.pt",
                "labels": ["awe"],
            },
            "safetensors file",
        ),
        (
            {"kind": "head", "backbone": str(WEIGHTS / "clip"), "head": "h.safetensors"},
            "labels must name",
        ),
        ({"kind": "zero-shot", "model": str(WEIGHTS / "guide")}, "no CLIP or SigLIP"),
        (
            {"kind": "zero-shot", "model": str(WEIGHTS / "clip"), "prompts": {"awe": "wow"}},
            "list of prompts",
        ),
    ],
)
def test_an_invalid_specification_is_refused(write_spec, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        read_spec(write_spec(tmp_path / "invalid", **settings)).check(MIKELS)


def test_all_folders_that_loading_reads_are_known_before(write_spec, headed, tmp_path):
    both = write_spec(
        tmp_path / "both", kind="ensemble", members=[str(WEIGHTS / "guide"), "../headed"]
    )
    spec = read_spec(both)
    assert set(spec.folders()) == {both, WEIGHTS / "guide", headed, WEIGHTS / "clip"}
    assert [leaf.kind for leaf in spec.leaves()] == ["model", "head"]


def test_multi_label_is_read_from_either_file(write_spec, multi_label_copy, tmp_path):
    folder = multi_label_copy(tmp_path / "copy")
    assert read_spec(folder).multi_label
    assert not read_spec(write_spec(folder, multi_label=False)).multi_label
    assert not read_spec(WEIGHTS / "guide").multi_label
