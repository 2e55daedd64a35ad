"""Thresholds applied late, on corpora of the null engine."""

import tarfile
from dataclasses import replace

import pytest

from pipeline import run
from pipeline.corpora.refilter import refilter
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.output.run.run_file import read_run, write_run
from pipeline.storage.files import read_json
from tests.support.corpora import contents_of, fail_on_warning, rows_of


def test_a_quota_can_be_set_late(make_corpus, tmp_path):
    counts = refilter(make_corpus(), tmp_path / "late", ["quota=3"], {}, fail_on_warning)
    assert counts["accepted"] == 3
    assert verify(tmp_path / "late") == []


def test_what_a_quota_of_the_source_dropped_is_told_apart(make_corpus, tmp_path):
    out = make_corpus(quota=2)
    refilter(out, tmp_path / "late", ["quota=0"], {}, fail_on_warning)
    assert verify(tmp_path / "late") == []
    before = {row["key"]: row["reason"] for row in rows_of(out) if not row["attempts"]}
    assert before
    for row in rows_of(tmp_path / "late"):
        if row["key"] in before:
            assert row["reason"] == f"not made: {before[row['key']]}, in the source"


@pytest.mark.parametrize("settings", [{}, {"quota": 2}, {"candidates": 3, "image_format": "webp"}])
def test_the_same_thresholds_make_the_same_corpus(make_corpus, tmp_path, settings):
    out = make_corpus(**settings)
    refilter(out, tmp_path / "again", [], {}, fail_on_warning)
    assert verify(tmp_path / "again") == []
    ours, theirs = contents_of(tmp_path / "again"), contents_of(out)
    assert ours.keys() == theirs.keys()
    # Markers name the run that they belong to.
    markers = {name for name in ours if name.endswith(".json") and name != "sizes.json"}
    assert markers
    assert {name: ours[name] for name in ours.keys() - markers} == {
        name: theirs[name] for name in ours.keys() - markers
    }


def test_a_raised_threshold_gives_what_a_run_under_it_gives(make_corpus, tmp_path):
    strict = make_corpus("strict", min_confidence=0.8)
    counts = refilter(
        make_corpus(), tmp_path / "late", [], {"min_confidence": 0.8}, fail_on_warning
    )
    assert verify(tmp_path / "late") == []
    assert counts == read_json(strict / "run.json")["counts"]
    mine, theirs = rows_of(tmp_path / "late"), rows_of(strict)
    assert [{**row, "fingerprint": ""} for row in mine] == [
        {**row, "fingerprint": ""} for row in theirs
    ]
    with (
        tarfile.open(tmp_path / "late" / "shards" / "00000000.tar") as one,
        tarfile.open(strict / "shards" / "00000000.tar") as two,
    ):
        for name in (name for name in one.getnames() if name.endswith(".png")):
            assert one.extractfile(name).read() == two.extractfile(name).read()


def test_a_lowered_threshold_brings_back_what_was_kept_and_tells_of_what_was_not(
    make_corpus, tmp_path
):
    warnings = []
    counts = refilter(
        make_corpus("lost"), tmp_path / "late", [], {"min_confidence": 0.2}, warnings.append
    )
    assert counts["accepted"] == read_json(tmp_path / "lost" / "run.json")["counts"]["accepted"]
    below = [row for row in rows_of(tmp_path / "lost") if 0.2 <= row["judge_confidence"] < 0.5]
    assert warnings[0].startswith(f"{len(below)} sample(s) reach the thresholds but stay rejected")
    assert verify(tmp_path / "late") == []
    told = {row["key"]: row["reason"] for row in rows_of(tmp_path / "late")}
    assert all(told[row["key"]].startswith("not kept: would be accepted now") for row in below)
    kept = make_corpus("kept", keep_rejected=True)
    refilter(kept, tmp_path / "back", [], {"min_confidence": 0.2}, fail_on_warning)
    assert verify(tmp_path / "back") == []
    direct = make_corpus("direct", keep_rejected=True, min_confidence=0.2)
    assert [row["status"] for row in rows_of(tmp_path / "back")] == [
        row["status"] for row in rows_of(direct)
    ]


def test_where_nothing_was_accepted_the_kept_images_still_make_a_corpus(make_corpus, tmp_path):
    none = make_corpus(min_confidence=1.0, keep_rejected=True)
    assert not [*(none / "shards").glob("*.tar")]
    counts = refilter(none, tmp_path / "late", [], {"min_confidence": 0.5}, fail_on_warning)
    assert counts["accepted"] > 5
    assert verify(tmp_path / "late") == []


def test_what_needs_new_images_is_refused(make_corpus, tmp_path):
    out = make_corpus()
    for assignment, message in (
        ("seed=5", "seed: cannot be changed"),
        ("filters.beauty=1", "has no scores of it"),
    ):
        with pytest.raises(UserError, match=message):
            refilter(out, tmp_path / "late", [assignment], {}, fail_on_warning)
    with pytest.raises(UserError, match="is not a muse-batch run"):
        refilter(out, out.parent, [], {}, fail_on_warning)
    with pytest.raises(UserError, match="is not the output of a run"):
        refilter(tmp_path, tmp_path / "late", [], {}, fail_on_warning)
    with pytest.raises(UserError, match="holds another run, which differs in"):
        refilter(out, out, [], {"min_confidence": 0.9}, fail_on_warning)
    # Of another manifest no setting is listed.
    rows = [{"prompt": "a dog", "emotion": "awe"}]
    run(rows, tmp_path / "b", engine="null", executor="local")
    message = r"b holds another corpus, made of .*\.parquet; give another --output[^\n]*$"
    with pytest.raises(UserError, match=message):
        refilter(out, tmp_path / "b", [], {"min_confidence": 0.9}, fail_on_warning)


def test_settings_that_have_come_since_are_not_taken_for_changes(make_corpus, tmp_path):
    out = make_corpus()
    stored = read_run(out)
    method = {name: value for name, value in stored.config["method"].items() if name != "steps"}
    earlier = {name: value for name, value in stored.config.items() if name != "report"}
    write_run(out, replace(stored, config={**earlier, "method": method, "compile": False}))
    refilter(out, tmp_path / "off", ["compile=off"], {"min_confidence": 0.6}, fail_on_warning)
    with pytest.raises(UserError, match="compile: cannot be changed without new images"):
        refilter(out, tmp_path / "on", ["compile=on"], {}, fail_on_warning)
    write_run(out, replace(stored, config={**earlier, "method": method}))
    refilter(out, tmp_path / "late", [], {"min_confidence": 0.6}, fail_on_warning)
    with pytest.raises(UserError, match="method: cannot be changed without new images"):
        refilter(out, tmp_path / "other", ["method.steps=7"], {}, fail_on_warning)


def test_a_quota_by_a_column_that_is_not_there_is_refused(make_corpus, tmp_path):
    out = make_corpus()
    with pytest.raises(UserError, match=r"quota_by is 'nosuch', .* choose emotion, rating"):
        refilter(out, tmp_path / "late", ["quota=2", "quota_by=nosuch"], {}, fail_on_warning)
    assert not (tmp_path / "late").exists()
