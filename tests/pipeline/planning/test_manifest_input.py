"""A manifest as a run reads it: its batches from any number on, and what it may not ask for."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError
from manifests.read import check
from muse.emotions import MIKELS
from pipeline.config import Config
from pipeline.planning import manifest_input
from pipeline.planning.manifest_input import PlannedKeys, batches_of, folder_of
from pipeline.planning.plan import GROUPED_BATCHES, planned_requests

EMOTIONS = {
    "absent": None,
    "names": pa.string(),
    "lists": pa.list_(pa.string()),
    "mixtures": pa.map_(pa.string(), pa.float64()),
    "structs": pa.struct([("awe", pa.float64()), ("fear", pa.float64())]),
}


def some(kind: str, draw: random.Random):
    """An emotion of the kind, or none; what a row then asks for is one, several, or all of the
    run's."""
    if draw.random() < 0.3:
        return None
    return {
        "names": "awe",
        "lists": list(MIKELS.labels[: draw.randint(1, 5)]),
        "mixtures": [("awe", 0.5), ("fear", 0.5)],
        "structs": {"awe": 1.0, "fear": None},
    }[kind]


@pytest.mark.parametrize("kind", EMOTIONS)
@pytest.mark.parametrize("limit", [0, 1200])
def test_batches_from_any_number_on_are_those_of_the_whole_plan(tmp_path, kind, limit):
    """Seed 5; 700 rows in row groups of 97, so that batches, rows and groups end at different
    places."""
    draw = random.Random(5)
    columns = {"prompt": [f"a dog {n}" for n in range(700)]}
    schema = pa.schema([("prompt", pa.string())])
    if EMOTIONS[kind] is not None:
        columns["emotion"] = [some(kind, draw) for _ in range(700)]
        schema = schema.append(pa.field("emotion", EMOTIONS[kind]))
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table(columns, schema), path, row_group_size=97)
    config = Config(emotions=("awe", "fear", "anger"), batch_size=7, limit=limit)
    manifest = check(str(path), MIKELS.labels, 3)
    whole = list(batches_of(manifest, config))
    assert sum(len(batch.requests) for batch in whole) == planned_requests(manifest, config)
    for first in (0, 1, 2, len(whole) // 2, len(whole) - 1, len(whole)):
        assert list(batches_of(manifest, config, first)) == whole[first:]


def test_batches_that_are_ordered_by_size_can_be_read_from_any_number_on(tmp_path):
    sides = [(64, 80, 48, None)[number % 4] for number in range(700)]
    columns = {"prompt": ["a dog"] * 700, "width": sides, "height": sides}
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=97)
    config = Config(emotions=("awe",), batch_size=7)
    manifest = check(str(path), MIKELS.labels, 1)
    whole = list(batches_of(manifest, config))
    assert sorted(request.key for batch in whole for request in batch.requests) == [
        f"{number:012d}" for number in range(700)
    ]
    keys = PlannedKeys(manifest, config)
    for first in (0, 1, 31, 32, 33, 99, 100):
        assert list(batches_of(manifest, config, first)) == whole[first:]
        planned = [request.key for batch in whole[first : first + 1] for request in batch.requests]
        assert keys.of(first) == planned


def test_of_keys_that_are_read_those_of_one_window_are_held(tmp_path, monkeypatch):
    """A resume asks for each batch in turn; each window is read once all the same."""
    path = tmp_path / "m.parquet"
    sides = [64, 48] * 350
    pq.write_table(pa.table({"prompt": ["a dog"] * 700, "width": sides, "height": sides}), path)
    config = Config(emotions=("awe",), batch_size=7)
    keys = PlannedKeys(check(str(path), MIKELS.labels, 1), config)
    read, windows = manifest_input.batches_of, []

    def counted(manifest, config, first):
        windows.append(first)
        return read(manifest, config, first)

    monkeypatch.setattr(manifest_input, "batches_of", counted)
    held, asked = [], []
    for number in range(100):
        asked += keys.of(number)
        held.append(len(keys._known))
    assert len({*asked}) == 700
    assert max(held) == GROUPED_BATCHES
    assert windows == [0, 32, 64, 96]
    assert keys.of(100) == []


def test_relative_image_paths_refer_to_the_folder_of_the_manifest(tmp_path):
    assert folder_of(str(tmp_path / "m.parquet")) == str(tmp_path)
    assert folder_of("s3://bucket/folder/m.parquet") == "s3://bucket/folder"


def test_a_loop_of_links_is_left_to_the_message_of_its_opening(tmp_path):
    loop = tmp_path / "m.parquet"
    loop.symlink_to(loop)
    assert folder_of(str(loop)) == str(tmp_path)
    with pytest.raises(ManifestError, match="Too many levels of symbolic links"):
        check(str(loop), MIKELS.labels, 8)
