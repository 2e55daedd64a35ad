import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def test_a_reader_ends_in_order(tmp_path):
    """Reading ahead on threads aborted one to six of eight processes at their end; ten in a row must not."""
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({f"c{n}": list(range(64)) for n in range(60)}), file)
    script = f"from pathlib import Path; from pipeline.index import read_table; read_table(Path({str(file)!r}))"
    for _ in range(10):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
