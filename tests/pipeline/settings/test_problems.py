"""A problem of the settings names the key, the value and the remedy."""

import pytest

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.settings import load_config
from pipeline.settings.fields import fields_of
from pipeline.settings.problems import nearest

KNOWN = dict(fields_of(Config))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("steps", "method.steps"),
        ("method.step", "method.steps"),
        ("batchsize", "batch_size"),
        ("BATCH_SIZE", "batch_size"),
        ("patence", "store_timeout_s"),
        ("method.iteration", "method.max_updates_per_step"),
        ("xyzzy", None),
    ],
)
def test_the_nearest_key_of_any_table_is_suggested(key, expected):
    assert nearest(key, False, KNOWN) == expected


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("batch_size=0", "batch_size is 0; give a whole number from 1 to 1024"),
        ("batch_size=many", "batch_size is 'many'; give a whole number from 1 to 1024"),
        ("engine=paint", "engine is 'paint'; give one of muse, null"),
        ("method=3", "method is 3; it is a table of its own: [method]"),
        (
            "method.scheduler={shift = [1]}",
            "method.scheduler.shift is [1]; give a finite number, a text, true or false",
        ),
        ("steps=30", "unknown key steps; did you mean method.steps?"),
        ("xyzzy=1", "unknown key xyzzy; `muse-batch config` prints all settings"),
    ],
)
def test_a_message_has_the_key_the_value_and_the_remedy(assignment, message):
    with pytest.raises(UserError) as caught:
        load_config(None, [assignment], {})
    assert message in str(caught.value)


def test_a_long_value_is_cut():
    with pytest.raises(UserError) as caught:
        load_config(None, ["seed=" + "x" * 500], {})
    assert "x..." in str(caught.value)
    assert len(str(caught.value)) < 200
