import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.index import metadata
from pipeline.output.run_file import read_run

SCRIPT = """
import os
from pathlib import Path
from manifests.read import check
from pipeline.index.metadata import read_table

file, threads = Path({file!r}), lambda: len(os.listdir("/proc/self/task"))
before = threads()
{reading}
print(threads() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads by /proc")
@pytest.mark.parametrize("reading", ["read_table(file)", "check(str(file), ('awe',), 1)"])
def test_reading_leaves_no_threads_behind(tmp_path, reading):
    """Threads of Arrow that still run as the interpreter ends abort it."""
    file = tmp_path / "rows.parquet"
    pq.write_table(
        pa.table({f"c{n}": list(range(64)) for n in range(60)} | {"prompt": ["a dog"] * 64}), file
    )
    script = SCRIPT.format(file=str(file), reading=reading)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


MIXED = [
    {"prompt": "a dog", "emotion": {"awe": 0.5, "fear": 0.5}},
    {"prompt": "a cat", "emotion": {"awe": 1.0, "fear": None}},
    {"prompt": "a boat", "emotion": {"awe": 0.25, "fear": 0.75}},
    {"prompt": "a bird", "emotion": {"awe": 0.5, "fear": 0.5}},
]


def test_a_mixture_is_counted_for_none_of_its_members(make_corpus):
    counts = read_run(make_corpus(rows=MIXED, min_confidence=0.0)).counts
    assert counts["emotions"] == {"awe": {"requests": 1, "accepted": 1}}
    assert counts["mixtures"] == {
        "awe 0.5 + fear 0.5": {"requests": 2, "accepted": 2},
        "fear 0.75 + awe 0.25": {"requests": 1, "accepted": 1},
    }


def test_of_many_mixtures_the_rarest_are_counted_together(make_corpus, monkeypatch):
    out = make_corpus(rows=MIXED, min_confidence=0.0)
    monkeypatch.setattr(metadata, "MAX_MIXTURES", 1)
    counts = metadata.count_samples(out, ["awe", "fear"])
    assert counts["mixtures"] == {
        "awe 0.5 + fear 0.5": {"requests": 2, "accepted": 2},
        "other mixtures": {"requests": 1, "accepted": 1},
    }
