"""Devices that can be used, and models that cannot be loaded."""

import pytest
import torch

from muse.loading import loaded, tell_of_method, usable_device
from muse.method import Method


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


def test_a_model_that_cannot_be_loaded_is_named():
    def load(_):
        raise ValueError("there is no such folder")

    with pytest.raises(ValueError, match=r"judge '/nowhere': there is no such folder"):
        loaded("judge", "/nowhere", load)
    assert loaded("judge", "here", str.upper) == "HERE"
