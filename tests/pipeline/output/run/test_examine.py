"""Which outputs a run may use."""

from dataclasses import replace

import pytest

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.output.run.examine import examine_output, refuse_other_run, settings_to_resume
from pipeline.output.run.run_file import RUN_FILE, write_run
from pipeline.storage.files import temporary_name
from tests.support.corpora import RUN_CONFIG, small_run


def test_an_output_may_be_new_empty_or_barely_begun(tmp_path):
    assert examine_output(tmp_path / "new", small_run()) == small_run()
    assert examine_output(tmp_path, small_run()) == small_run()
    (tmp_path / "_state").mkdir()
    (tmp_path / temporary_name(RUN_FILE)).write_bytes(b"{")
    assert examine_output(tmp_path, small_run()) == small_run()
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UserError, match="exists and is not a muse-batch run"):
        examine_output(tmp_path, small_run())
    with pytest.raises(UserError, match="exists and is not a muse-batch run"):
        examine_output(tmp_path / "mine.txt", small_run())


BATCH, SHARD = "_state/batches/0/000000000.parquet", "shards/00000000.tar"


def _write_begun_run(output, made=BATCH):
    write_run(output, small_run())
    (output / made).parent.mkdir(parents=True)
    (output / made).touch()


def test_a_run_that_has_made_nothing_does_not_bind_the_next_one(tmp_path):
    """As one that was refused because there is no GPU."""
    write_run(tmp_path, small_run())
    (tmp_path / "_state" / "batches" / "0").mkdir(parents=True)
    (tmp_path / "_state" / "log.jsonl").touch()
    (tmp_path / temporary_name(RUN_FILE)).write_bytes(b"{")
    other = small_run(config={"seed": 1, "guide": "here"})
    assert examine_output(tmp_path, other) == other


@pytest.mark.parametrize("made", [BATCH, SHARD])
def test_a_run_under_other_settings_is_refused_with_the_difference(tmp_path, made):
    _write_begun_run(tmp_path, made)
    other = small_run(config={"seed": 1, "guide": "here"})
    with pytest.raises(UserError, match=r"config\.seed: 0 -> 1") as caught:
        examine_output(tmp_path, other)
    assert "--adopt" not in str(caught.value)
    with pytest.raises(UserError, match="--adopt is for differences that cannot change"):
        examine_output(tmp_path, other, adopt=True)


def test_a_harmless_difference_is_adopted_if_asked_for(tmp_path):
    _write_begun_run(tmp_path)
    other = small_run(versions={"python": "3.11.9"})
    with pytest.raises(UserError, match="--adopt continues the run"):
        examine_output(tmp_path, other)
    adopted = examine_output(tmp_path, other, adopt=True)
    line = 'versions.python: "3.11.0" -> "3.11.9"'
    assert adopted == replace(small_run(), adopted=(line,))


@pytest.mark.parametrize(("stored", "now"), [(True, "on"), (False, "off")])
def test_a_run_with_a_former_value_of_a_setting_is_resumed_as_it_is(tmp_path, stored, now):
    before = small_run(config={"seed": 0, "compile": stored})
    before = replace(before, config={**RUN_CONFIG, "compile": stored})
    write_run(tmp_path, before)
    (tmp_path / SHARD).parent.mkdir()
    (tmp_path / SHARD).touch()
    asked = small_run(config={"seed": 0, "compile": now})
    assert examine_output(tmp_path, asked) == before
    refuse_other_run(tmp_path, asked)
    other = small_run(config={"seed": 1, "compile": now})
    with pytest.raises(UserError, match=r"differs in\n  config\.seed: 0 -> 1\n"):
        examine_output(tmp_path, other)

    # What is left to the run is what it began with; what is asked for stays.
    assert settings_to_resume(tmp_path, Config()).compile == now
    other_way = Config(compile="off" if stored else "on")
    assert settings_to_resume(tmp_path, other_way) == other_way
    assert settings_to_resume(tmp_path / "new", Config()) == Config()


def test_compiling_is_decided_anew_where_a_run_left_it_open(tmp_path):
    write_run(tmp_path, replace(small_run(), config={**RUN_CONFIG, "compile": "auto"}))
    assert settings_to_resume(tmp_path, Config()).compile == "auto"
