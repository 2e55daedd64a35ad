"""What a label means: a name, or a number where the names are known."""

import pytest

from pipeline.classifier.labelled import Findings, label_name
from pipeline.errors import UserError

CLASSES = ("fear", "awe")


@pytest.mark.parametrize("label", [" awe\n", 1, 1.0, "1", "1.0", ["awe"], [1]])
def test_names_and_numbers_in_any_form(label):
    assert label_name("x", label, CLASSES) == "awe"


@pytest.mark.parametrize("label", [True, None, 0.5, {"awe": 1.0}, ["awe", "fear"], b"awe"])
def test_what_is_no_single_label_is_refused(label):
    with pytest.raises(UserError, match=r"x: its label is .*; give the name of one emotion"):
        label_name("x", label, CLASSES)


@pytest.mark.parametrize("label", [2, -1, "7"])
def test_numbers_without_a_name_are_refused(label):
    with pytest.raises(UserError, match="the data do not say which emotion that is"):
        label_name("x", label, CLASSES)


def test_what_was_ignored_in_words():
    findings = Findings()
    assert findings.summary() == ""
    findings.ignored.update({"b file(s)": 2, "a file(s)": 1})
    assert findings.summary() == "1 a file(s), 2 b file(s)"
