"""The examples in the repository are what the script writes."""

import pyarrow.parquet as pq

from jobs.make_examples import EXAMPLES, write_demo, write_parti


def test_the_demo_is_what_the_script_writes(tmp_path):
    write_demo(tmp_path)
    for path in tmp_path.rglob("*.p*"):
        kept = EXAMPLES / path.relative_to(tmp_path)
        if path.suffix == ".parquet":
            assert pq.read_table(path).equals(pq.read_table(kept))
        else:
            assert path.read_bytes() == kept.read_bytes()


def test_prompts_of_a_table_become_rows_with_ids(tmp_path):
    table = tmp_path / "prompts.tsv"
    table.write_text('Prompt\tCategory\tChallenge\na "red" dog\tAnimals\tBasic\n')
    write_parti(table, tmp_path)
    (row,) = pq.read_table(tmp_path / "parti_prompts.parquet").to_pylist()
    expected = ("parti-0000", 'a "red" dog', "Animals", "Basic")
    assert (row["id"], row["prompt"], row["category"], row["challenge"]) == expected
