"""The examples in the repository are those that the command writes."""

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from jobs.make_examples import write_demo, write_parti
from manifests import EXAMPLES


def test_the_demo_is_what_the_command_writes(tmp_path):
    write_demo(tmp_path)
    written = pq.read_table(tmp_path / "demo.parquet")
    assert written.equals(pq.read_table(EXAMPLES / "demo.parquet"))
    images = sorted(file.name for file in (EXAMPLES / "images").iterdir())
    assert images == sorted(file.name for file in (tmp_path / "images").iterdir())
    for name in images:
        ours, theirs = (np.asarray(Image.open(f / "images" / name)) for f in (tmp_path, EXAMPLES))
        assert np.array_equal(ours, theirs)


def test_parti_prompts_keep_their_category_and_challenge(tmp_path):
    """Quotes in this file belong to the prompt."""
    table = tmp_path / "parti.tsv"
    table.write_text('Prompt\tCategory\tChallenge\tNote\n"a" cat\tAnimals\tBasic\t\n')
    write_parti(table, tmp_path)
    rows = pq.read_table(tmp_path / "parti_prompts.parquet").to_pylist()
    expected = {"id": "parti-0000", "prompt": '"a" cat', "category": "Animals"}
    assert rows == [{**expected, "challenge": "Basic"}]
