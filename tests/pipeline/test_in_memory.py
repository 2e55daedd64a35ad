"""Rows and flags that are given in memory become files beside the output."""

import pyarrow.parquet as pq
import pytest

from pipeline.corpora.flags import read_flags
from pipeline.errors import UserError
from pipeline.in_memory import ORIGIN, written_flags, written_rows
from pipeline.output.run.run_file import read_run

ROWS = [{"prompt": "a dog", "emotion": "awe"}]


def test_rows_are_written_once_and_corrected_before_a_run_begins(tmp_path):
    path = written_rows(ROWS, tmp_path / "out")
    assert pq.read_table(path).to_pylist() == ROWS
    assert ORIGIN.items() <= pq.read_schema(path).metadata.items()
    assert written_rows(ROWS, tmp_path / "out") == path
    corrected = [{**ROWS[0], "emotion": "fear"}]
    written_rows(corrected, tmp_path / "out")
    assert pq.read_table(path).to_pylist() == corrected


def test_what_parquet_cannot_hold_is_refused_by_column(tmp_path):
    with pytest.raises(UserError, match="column x: its objects are empty; leave the column out"):
        written_rows([{**ROWS[0], "x": {}}], tmp_path / "out")


def test_flags_are_those_of_the_run_and_replace_no_others(make_corpus, tmp_path):
    run, picked = read_run(make_corpus()), tmp_path / "picked"
    assert written_flags({}, picked, run) is None
    path = written_flags({"000000000001": "reject"}, picked, run)
    assert read_flags(path, run).by_key == {"000000000001": "reject"}
    assert written_flags({"000000000001": "reject"}, picked, run) == path
    with pytest.raises(UserError, match="holds other flags"):
        written_flags({"000000000001": "accept"}, picked, run)
