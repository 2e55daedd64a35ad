import pytest

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.settings import load_config
from pipeline.settings.fields import fields_of
from pipeline.settings.old_names import OLD_VALUES, REMOVED, RENAMED

KNOWN = dict(fields_of(Config))


def _refusal_of(assignment):
    with pytest.raises(UserError) as caught:
        load_config(None, [assignment], {})
    return str(caught.value)


@pytest.mark.parametrize("old", RENAMED)
def test_old_names_are_refused_with_the_new_one(old):
    new = RENAMED[old]
    expected = f"{old} is now {new}; rename it" if new else f"{old} was removed: {REMOVED[old]}"
    assert _refusal_of(f"{old}=1").startswith(f"--set: {expected}")


def test_old_names_in_a_file_are_refused_all_at_once(tmp_path):
    file = tmp_path / "old.toml"
    file.write_text(
        'effort = "ladder"\nnodes = "a=b"\n[images]\nprivate = true\n[null]\ndelay = 1\n'
    )
    with pytest.raises(UserError) as caught:
        load_config(file, [], {})
    text = str(caught.value)
    assert text.count(f"--config {file}: ") == 4
    for new in (
        "effort was removed: every further try takes another seed",
        "label_selector",
        "images.allow_private",
        "null was removed",
    ):
        assert new in text


@pytest.mark.parametrize(("key", "old"), OLD_VALUES)
def test_old_values_are_refused_with_the_new_one(key, old):
    new = OLD_VALUES[key, old]
    assert f'write {key} = "{new}"' in _refusal_of(f"{key}={old}")
    load_config(None, [f"{key}={new}"], {})


def test_a_table_that_is_gone_is_refused_whatever_it_holds():
    assert "null was removed" in _refusal_of("null.delay=1")


def test_every_new_name_exists_and_no_old_one():
    assert {new for new in RENAMED.values() if new} <= KNOWN.keys()
    assert not KNOWN.keys() & RENAMED.keys()
    assert REMOVED.keys() == {old for old, new in RENAMED.items() if new is None}
