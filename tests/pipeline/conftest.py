"""Corpora of the null engine, made within the test's process."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.verify import verify
from tests.support.corpora import ROWS
from tests.support.local_runs import run_locally


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """The finished corpora of this session by what they were made of."""
    return {"folder": tmp_path_factory.mktemp("corpora")}


@pytest.fixture
def make_corpus(tmp_path, corpora):
    """Makes a corpus under `tmp_path`, or resumes it, and verifies it.

    One whose bytes depend on its rows and settings alone is made once a session, and copied.
    """

    def make(name="out", rows=ROWS, count=0, executor=None, **settings):
        if count:
            rows = [{"prompt": f"a dog {n}", "emotion": "awe"} for n in range(count)]
        manifest, out = tmp_path / f"{len(rows)}.parquet", tmp_path / name
        pq.write_table(pa.Table.from_pylist(rows), manifest)
        key = repr((rows, sorted(settings.items())))
        fresh = out.exists() or executor or "filter" in key or "image'" in key
        if not fresh and key in corpora:
            return Path(shutil.copytree(corpora[key], out))
        run_locally(manifest, out, executor, **settings)
        assert verify(out) == []
        if not fresh:
            corpora[key] = shutil.copytree(out, corpora["folder"] / str(len(corpora)))
        return out

    return make
