"""What the settings know of themselves: types, limits and sentences."""

import pytest

from pipeline.config import Config
from pipeline.settings.fields import choices, fields_of, is_table, kind, limits

FIELDS = dict(fields_of(Config))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("batch_size", "a whole number from 1 to 1024"),
        ("min_confidence", "a number from 0 to 1"),
        ("keep_rejected", "true or false"),
        ("engine", "one of muse, null"),
        ("model", "text"),
        ("method", "a table"),
    ],
)
def test_a_setting_tells_in_words_what_it_takes(key, words):
    assert kind(FIELDS[key]) == words


def test_tables_come_before_what_they_hold():
    keys = [*FIELDS]
    assert is_table(FIELDS["method"])
    assert keys.index("method") + 1 == keys.index(next(k for k in keys if k.startswith("method.")))


def test_test_doubles_are_no_settings():
    assert not [key for key in FIELDS if key.startswith(("null", "faults"))]


def test_every_number_has_limits_and_every_field_a_sentence():
    for key, field in FIELDS.items():
        assert field.description or is_table(field), key
        if field.annotation in (int, float) and not choices(field):
            assert limits(field), key
