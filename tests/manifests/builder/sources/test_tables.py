"""Tables as sources: which of their columns are ours, and the type of their images."""

import pyarrow as pa
import pytest

from manifests.check import ManifestError


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.jsonl", "t.ndjson"])
def test_columns_are_renamed_in_the_items_and_in_the_schema(read, name):
    csv = "text,seed,source\na dog,7,x\n"
    content = csv if "csv" in name.lower() else '{"text": "a dog", "seed": 7, "source": "x"}'
    source, [(_, values)], _ = read(name, content, id="source")
    assert source.notes == [f"{name}: column 'text' was taken as prompt"]
    assert source.extra == pa.schema([])
    assert (values["prompt"], str(values["seed"]), values["id"]) == ("a dog", "7", "x")
    assert source.image_kind is None


def test_images_of_a_table_are_paths_or_addresses(read):
    source, _, _ = read("t.csv", "prompt,image\na dog,http://host/a.png\n")
    assert source.image_kind == pa.string()


def test_a_mapped_column_that_a_table_lacks_is_refused(read):
    with pytest.raises(ManifestError, match="--map prompt=caption: no such column; it has text"):
        read("t.csv", "text\na dog\n", prompt="caption")
