"""How common libraries read a corpus: the snippets of the data card, each run by a test."""

from __future__ import annotations

SHARDS = 'sorted(glob.glob("{out}/shards/*.tar"))'

READERS = {
    "datasets": """from datasets import load_dataset

data = load_dataset("{out}", split="train")""",
    "datasets, streamed": """from datasets import load_dataset

data = load_dataset("{out}", split="train", streaming=True)""",
    "webdataset": f"""import glob
import webdataset

shards = {SHARDS}
data = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")""",
    "a DataLoader with workers, also if there are fewer shards than workers": f"""import glob
import torch
import webdataset

shards = {SHARDS}
samples = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
pairs = samples.decode("torchrgb").to_tuple("{{image_format}}", "cls")
data = torch.utils.data.DataLoader(pairs, batch_size=None, num_workers=2)""",
    "Ray Data": f"""import glob
import ray

data = ray.data.read_webdataset({SHARDS})""",
    "pandas": """import pandas

data = pandas.read_parquet("{out}/metadata.parquet")""",
    "polars": """import polars

data = polars.read_parquet("{out}/metadata.parquet")""",
    "DuckDB": """import duckdb

query = "SELECT * FROM '{out}/metadata.parquet' WHERE status = 'accepted'"
data = duckdb.sql(query).fetchall()""",
}
"""Code by library. `data` is what was read: samples of the tars, or rows of the metadata."""

READERS_OF_METADATA = ("pandas", "polars", "DuckDB")
"""Those that read the metadata, and so also a corpus without samples."""


def snippet(library: str, out: str, image_format: str) -> str:
    """The code for a library.

    Args:
        out: the path of the corpus.
    """
    return READERS[library].format(out=out, image_format=image_format)
