"""The tables of a `run.json` whose digest is right and whose content is not."""

from dataclasses import replace

import pytest

from pipeline.corpora.status import status
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.output.run.run_file import read_run, write_run

WRONG = [
    ("config", "taxonomy", None),
    ("config", "taxonomy", {"name": "mine", "labels": []}),
    ("config", "shard_size", "x"),
    ("config", "batch_size", -5),
    ("config", "filters", {"safety": "high"}),
    ("config", "image_format", "exe"),
    ("counts", "accepted", "x"),
    ("counts", "mixtures", None),
    ("parts", "models", []),
]


@pytest.mark.parametrize(("table", "key", "value"), WRONG)
def test_a_wrong_value_is_refused_by_its_place(table, key, value, make_corpus):
    out = make_corpus()
    run = read_run(out)
    write_run(out, replace(run, **{table: {**getattr(run, table), key: value}}))
    for command in (status, verify):
        with pytest.raises(UserError, match=rf"run\.json is damaged: {table}\.{key}"):
            command(out)


@pytest.mark.parametrize("table", ["config", "counts", "parts"])
def test_an_empty_table_is_refused(table, make_corpus):
    out = make_corpus()
    write_run(out, replace(read_run(out), **{table: {}}))
    with pytest.raises(UserError, match=rf"run\.json is damaged: {table}\."):
        verify(out)


def test_the_metadata_have_to_be_named(make_corpus):
    out = make_corpus()
    write_run(out, replace(read_run(out), files={}))
    with pytest.raises(UserError, match=r"files does not name metadata\.parquet"):
        verify(out)
