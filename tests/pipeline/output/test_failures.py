"""Why requests failed: grouped by reason, with the manifest's rows."""

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.output.failures import failure_summary


def _summary(tmp_path, reasons):
    statuses = ["failed" if reason else "accepted" for reason in reasons]
    table = {"status": statuses, "reason": reasons, "row": list(range(len(reasons)))}
    pq.write_table(pa.table(table), tmp_path / "metadata.parquet")
    return failure_summary(tmp_path)


def test_reasons_that_differ_in_names_alone_are_one(tmp_path):
    reasons = ["image 'a.png' does not exist", "", "image 'b.png' does not exist", "the judge gave"]
    assert _summary(tmp_path, reasons) == [
        "2 failed, for example: image 'a.png' does not exist (row 0, 2)",
        "1 failed: the judge gave (row 3)",
    ]


def test_many_rows_and_many_reasons_are_cut_and_counted(tmp_path):
    (line,) = _summary(tmp_path, ["no"] * 30)
    assert line == "30 failed: no (row 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)"
    lines = _summary(tmp_path, [chr(97 + n) for n in range(13)])
    assert len(lines) == 11
    assert lines[-1] == "and 3 more reasons"


def test_nothing_failed(tmp_path):
    assert _summary(tmp_path, ["", ""]) == []
