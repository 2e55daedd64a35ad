"""Devices that can be used, and models that cannot be loaded."""

import json
import shutil
import warnings

import pytest
import torch

from muse import MusePipeline
from muse.classifiers import load_classifier
from muse.loading import loaded, tell_of_judge, tell_of_method, tell_of_words, usable_device
from muse.method import Method
from muse.mini import WEIGHTS


def test_a_device_is_found_by_itself_and_by_name():
    assert usable_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert usable_device("cpu") == usable_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", 3.5, "cuda:x"])
def test_what_torch_does_not_know_is_refused(name):
    with pytest.raises(ValueError, match=r"device is .*; give one as torch names them"):
        usable_device(name)


def test_of_a_model_whose_files_are_not_known_nothing_is_told(recwarn):
    tell_of_method(None, Method(eta=0.5, sampler="euler"))
    assert not recwarn


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(ValueError, match=r"device 'cuda:99' cannot be used here \(.+\)"):
        usable_device("cuda:99")


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("steps", r"a parameter of the method: give method=Method\(steps=\.\.\.\)"),
        ("torch_dtype", "did you mean 'dtype'"),
        ("loras", "did you mean 'lora'"),
        ("safety_checker", "it has model, guide, clip, judge, .*, tiny_vae"),
    ],
)
def test_an_argument_that_does_not_exist_is_refused_with_what_was_meant(argument, hint):
    with pytest.raises(TypeError, match=f"no argument '{argument}'; .*{hint}"):
        MusePipeline.from_pretrained(**{argument: 3})


def test_a_model_that_cannot_be_loaded_is_named():
    def load(_):
        raise ValueError("there is no such folder")

    with pytest.raises(ValueError, match=r"judge '/nowhere': there is no such folder"):
        loaded("judge", "/nowhere", load)
    assert loaded("judge", "here", str.upper) == "HERE"


SAME = "guide and judge have the same weights: .* its confidences prove nothing; give another"


def test_a_judge_with_the_weights_of_the_guide_is_warned_of_under_any_path(tmp_path):
    copied = shutil.copytree(WEIGHTS / "guide", tmp_path / "copy")
    (copied / "classifier.json").write_text('{"temperature": 2.0}')
    linked = tmp_path / "link"
    linked.symlink_to(WEIGHTS / "guide")
    both = tmp_path / "both"
    both.mkdir()
    spec = {"kind": "ensemble", "members": [str(copied), str(WEIGHTS / "judge")]}
    (both / "classifier.json").write_text(json.dumps(spec))
    guide = load_classifier(WEIGHTS / "guide")
    with pytest.warns(UserWarning, match=SAME):
        tell_of_judge(guide, guide)
    for folder in (WEIGHTS / "guide", copied, linked, both):
        with pytest.warns(UserWarning, match=SAME):
            tell_of_judge(guide, load_classifier(folder))


def test_another_judge_is_not_warned_of():
    guide = load_classifier(WEIGHTS / "guide")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_of_judge(guide, load_classifier(WEIGHTS / "judge"))
        tell_of_judge(guide, None)


def test_a_pipeline_warns_of_its_judge():
    with pytest.warns(UserWarning, match=SAME):
        MusePipeline.from_pretrained(judge=WEIGHTS / "guide")


def test_words_that_the_embedded_model_does_not_know_are_told(recwarn):
    tell_of_words(["a dog on the beach", "a lighthouse with dogs"])
    (warning,) = recwarn
    assert str(warning.message).endswith("have no effect: lighthouse, dogs (dog?)")


def test_a_method_is_a_method():
    with pytest.raises(TypeError, match=r"method is a dict; give Method\(steps=30\)"):
        MusePipeline.from_pretrained(method={"steps": 3})
