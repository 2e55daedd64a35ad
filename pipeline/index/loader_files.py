"""Files that loaders look for: `_info.json` (timm) and `shards/sizes.json` (open_clip)."""

from __future__ import annotations

from pipeline.output.markers import read_markers
from pipeline.storage.files import Location, write_json

INFO_FILE, SIZES_FILE = "_info.json", "shards/sizes.json"


def write_loader_files(output: Location) -> list[str]:
    """Write both for a corpus whose shards are all committed; returns their names.

    timm reads `_info.json` in the folder of a dataset (`timm.data.readers.reader_wds`), open_clip
    `sizes.json` beside the tars (`open_clip_train.data.get_dataset_size`).
    """
    # A shard without a sample has no tar.
    markers = [marker for marker in read_markers(output) if marker.accepted]
    counts = {f"{marker.name}.tar": marker.accepted for marker in markers}
    split = {
        "name": "train",
        "filenames": [f"shards/{name}" for name in counts],
        "shard_lengths": list(counts.values()),
        "num_samples": sum(counts.values()),
    }
    write_json(output / INFO_FILE, {"splits": {"train": split}})
    if not counts:
        return [INFO_FILE]
    write_json(output / SIZES_FILE, counts)
    return [INFO_FILE, SIZES_FILE]
