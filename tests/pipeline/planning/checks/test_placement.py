"""What settings say of where a run is made: refused before anything is started."""

import importlib.util

import pytest

from pipeline.errors import UserError
from pipeline.planning.checks.placement import check_placement, labels_of, require_library
from pipeline.settings import load_config
from pipeline.storage.files import location


@pytest.mark.parametrize("selector", ["A100", "=A100", "type=", "a=b,c"])
def test_labels_have_a_form(selector):
    with pytest.raises(UserError, match="write KEY=VALUE"):
        labels_of(selector)
    with pytest.raises(UserError, match="write KEY=VALUE"):
        check_placement(load_config(None, [], {"label_selector": selector}))


def test_labels_are_read_by_their_keys():
    assert labels_of("ray.io/type=A100, zone=a") == {"ray.io/type": "A100", "zone": "a"}
    assert labels_of("") == {}


def test_an_address_has_a_port_or_a_name_of_ray():
    for address in ("", "auto", "10.0.0.1:6379", "ray://head:10001"):
        check_placement(load_config(None, [], {"address": address}))
    with pytest.raises(UserError, match="--address: address is 'zz'; write HOST:PORT"):
        check_placement(load_config(None, [], {"address": "zz"}))


def test_a_library_that_is_absent_is_named_with_its_extra():
    with pytest.raises(UserError, match=r"library nosuch is not installed; .*muse-batch\[wandb\]"):
        require_library("nosuch", "wandb")
    if importlib.util.find_spec("wandb") is None:
        with pytest.raises(UserError, match="wandb is not installed"):
            check_placement(load_config(None, [], {"tracking": "wandb"}))


def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(UserError, match="is not UTF-8"):
        location("o\udcff")
    with pytest.raises(UserError, match=r"^--set: method.prompt_suffix is .* is not UTF-8"):
        load_config(None, ["method.prompt_suffix=\udcff"], {})
    with pytest.raises(UserError, match=r"^--lora: lora is .* is not UTF-8"):
        load_config(None, [], {"lora": ["a", "m\udcff"]})
    with pytest.raises(UserError, match=r"^--model: model is .* is not UTF-8"):
        load_config(None, [], {"model": "m\udcff"})
