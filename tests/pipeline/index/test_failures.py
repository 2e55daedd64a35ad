"""Why requests failed: grouped by reason, with the manifest's rows."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.index.failures import failure_summary
from pipeline.output.run_file import RunFile, write_run
from pipeline.storage.files import sha256_file


def _summary(tmp_path, reasons):
    statuses = ["failed" if reason else "accepted" for reason in reasons]
    table = {"status": statuses, "reason": reasons, "row": list(range(len(reasons)))}
    pq.write_table(pa.table(table), tmp_path / "metadata.parquet")
    run = RunFile("", {}, {}, False, "m.parquet", len(reasons), len(reasons))
    files = {"metadata.parquet": sha256_file(tmp_path / "metadata.parquet")}
    write_run(tmp_path, run.finished({}, files, ""))
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


@pytest.mark.parametrize("content", [None, b"", b"PAR1"])
def test_damaged_metadata_are_refused_by_name(tmp_path, content):
    _summary(tmp_path, ["no"])
    (tmp_path / "metadata.parquet").unlink()
    if content is not None:
        (tmp_path / "metadata.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"metadata\.parquet is damaged"):
        failure_summary(tmp_path)
