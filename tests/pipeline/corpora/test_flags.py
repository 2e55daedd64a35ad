"""Flags set by hand: their file, and the corpus that `refilter` makes by them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.flags import ACCEPT, REJECT, Flags, read_flags, write_flags
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.output.run.run_file import read_run
from tests.support import drive
from tests.support.corpora import rows_of


def test_flags_are_read_as_they_were_written(make_corpus, tmp_path):
    run = read_run(make_corpus())
    path = tmp_path / "flags.parquet"
    assert read_flags(path, run).by_key == {}
    flags = Flags(run.fingerprint).changed(["000000000003", "000000000001"], REJECT)
    flags = flags.changed(["000000000002"], ACCEPT).changed(["000000000003"], None)
    write_flags(path, flags)
    assert read_flags(path, run) == flags
    assert flags.by_key == {"000000000001": REJECT, "000000000002": ACCEPT}
    assert pq.read_table(path).to_pylist() == [
        {"key": "000000000001", "flag": REJECT},
        {"key": "000000000002", "flag": ACCEPT},
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"key": ["000000000001"], "flag": ["maybe"]}, "row 0: flag is 'maybe'"),
        ({"key": ["1"], "flag": [REJECT]}, "key is '1', which is no key of this corpus"),
        ({"key": ["000000009999"], "flag": [REJECT]}, "no key of this corpus"),
        ({"key": [7], "flag": [REJECT]}, "key is '7'"),
        ({"key": ["000000000001"] * 2, "flag": [REJECT, ACCEPT]}, "has two different flags"),
        ({"name": ["x"]}, "holds no flags"),
        (None, "holds no flags"),
    ],
)
def test_a_file_that_holds_no_flags_of_the_corpus_is_refused(
    make_corpus, tmp_path, columns, message
):
    path = tmp_path / "flags.parquet"
    if columns is None:
        path.write_bytes(b"PAR1 and nothing else")
    else:
        pq.write_table(pa.table(columns), path)
    done = drive.command("refilter", make_corpus(), "--flags", path, "-o", tmp_path / "new")
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "new").exists()


def test_flags_of_another_run_are_refused(make_corpus, tmp_path):
    write_flags(tmp_path / "f.parquet", Flags("0" * 64, {"000000000001": REJECT}))
    with pytest.raises(UserError, match="flags of another run"):
        read_flags(tmp_path / "f.parquet", read_run(make_corpus()))


def test_refilter_honours_flags_before_thresholds(make_corpus, tmp_path):
    out = make_corpus(keep_rejected=True)
    before = rows_of(out)
    accepted = next(row["key"] for row in before if row["status"] == "accepted")
    rejected = next(row["key"] for row in before if row["status"] == "rejected")
    write_flags(
        tmp_path / "f.parquet",
        Flags(read_run(out).fingerprint, {accepted: REJECT, rejected: ACCEPT}),
    )
    new = tmp_path / "new"
    done = drive.command("refilter", out, "--flags", tmp_path / "f.parquet", "-o", new)
    assert done.returncode == 0, done.stderr
    assert verify(new) == []
    after = {row["key"]: row for row in rows_of(new)}
    assert (after[accepted]["status"], after[accepted]["reason"]) == (
        "rejected",
        "rejected by hand",
    )
    assert (after[rejected]["status"], after[rejected]["reason"]) == ("accepted", None)
    others = [row for row in before if row["key"] not in (accepted, rejected)]
    assert all(after[row["key"]]["status"] == row["status"] for row in others)
    card = (new / "README.md").read_text()
    assert "1 to be accepted, 1 to be rejected" in card
    assert "no label but those of the samples that they flagged" in card
    assert "no human has confirmed" not in card
    # The same command finds the same corpus; other flags would make another one.
    assert drive.command("refilter", out, "--flags", tmp_path / "f.parquet", "-o", new)
    other = drive.command("refilter", out, "-o", new)
    assert other.returncode == 2


def test_who_is_accepted_by_hand_without_an_image_is_named(make_corpus, tmp_path):
    out = make_corpus()
    rejected = next(row["key"] for row in rows_of(out) if row["status"] == "rejected")
    write_flags(tmp_path / "f.parquet", Flags(read_run(out).fingerprint, {rejected: ACCEPT}))
    done = drive.command("refilter", out, "--flags", tmp_path / "f.parquet", "-o", tmp_path / "new")
    assert "1 sample(s) are to be accepted" in done.stderr


def test_further_columns_of_a_file_of_flags_are_kept(make_corpus, tmp_path):
    run, path = read_run(make_corpus()), tmp_path / "flags.parquet"
    keys = ["000000000001", "000000000003"]
    notes = {"key": keys, "flag": [REJECT, ACCEPT], "note": ["two heads", "fine"]}
    pq.write_table(pa.table(notes), path)
    flags = read_flags(path, run).changed(["000000000002"], REJECT).changed([keys[1]], None)
    write_flags(path, flags)
    rows = pq.read_table(path).to_pylist()
    assert rows == [
        {"key": keys[0], "flag": REJECT, "note": "two heads"},
        {"key": "000000000002", "flag": REJECT, "note": None},
    ]


def test_a_file_with_values_out_of_range_holds_no_flags(make_corpus, tmp_path):
    run, path = read_run(make_corpus()), tmp_path / "flags.parquet"
    far = pa.array([2**62], pa.timestamp("us"))
    pq.write_table(pa.table({"key": far, "flag": [REJECT]}), path)
    with pytest.raises(UserError, match="holds no flags"):
        read_flags(path, run)
