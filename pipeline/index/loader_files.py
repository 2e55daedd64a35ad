"""Files that loaders look for: `_info.json` (timm) and `shards/sizes.json` (open_clip)."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.output.markers import Marker
from pipeline.storage.files import Location, write_json

INFO_FILE, SIZES_FILE = "_info.json", "shards/sizes.json"


def write_loader_files(output: Location, markers: Sequence[Marker]) -> dict[str, str]:
    """Write both for a corpus whose shards are all committed; returns their SHA-256 by name.

    timm reads `_info.json` in the folder of a dataset (`timm.data.readers.reader_wds`), open_clip
    `sizes.json` beside the tars (`open_clip_train.data.get_dataset_size`).
    """
    # A shard without a sample has no tar.
    counts = {f"{marker.name}.tar": marker.accepted for marker in markers if marker.accepted}
    split = {
        "name": "train",
        "filenames": [f"shards/{name}" for name in counts],
        "shard_lengths": list(counts.values()),
        "num_samples": sum(counts.values()),
    }
    files = {INFO_FILE: write_json(output / INFO_FILE, {"splits": {"train": split}})}
    if counts:
        files[SIZES_FILE] = write_json(output / SIZES_FILE, counts)
    return files
