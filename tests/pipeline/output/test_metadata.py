import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCRIPT = """
import os
from pathlib import Path
from manifests.read import check
from pipeline.output.metadata import read_table

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
