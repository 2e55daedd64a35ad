"""Which kind of source a path or a name is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from manifests.builder.item import Source, refuse
from manifests.builder.sources.hub import HubSource, is_saved
from manifests.builder.sources.images import ImageFolder, has_images
from manifests.builder.sources.tables import READERS, TableSource
from manifests.builder.sources.tar_images import TarImages, tar_files
from manifests.builder.sources.text import TextSource
from manifests.tars import TAR_SUFFIXES

TEXT_SUFFIX = ".txt"
TABLE_SUFFIXES = tuple(READERS)

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

FORMS = (
    "a .txt with a prompt a line, a .csv, .tsv, .jsonl or .parquet, a folder of images, "
    "a .tar or a folder of them, a saved `datasets` folder, or a hub id owner/name"
)

REMEDIES = {
    ".json": "write one object a line and name it .jsonl (jq -c '.[]' does that)",
    ".xlsx": "save it as .csv",
    ".xls": "save it as .csv",
    ".gz": "unpack it first",
    ".zip": "unpack it first",
    ".arrow": "give the whole folder that `save_to_disk` wrote",
}


def open_source(
    path: str,
    mapping: Mapping[str, str],
    split: str | None = None,
    subset: str | None = None,
) -> Source:
    """The source at a path, or of that name on the hub.

    Args:
        mapping: our column to theirs.
        split, subset: of a `datasets` set.

    Raises:
        ManifestError: there is none, or it cannot be read.
    """
    if "://" in path:
        raise refuse(path, "is a URL; copy it here first")
    if not os.path.exists(path):
        # A name in a folder that is here is a slip of the pen rather than one of the hub.
        is_hub_id = HUB_ID.fullmatch(path) and Path(path).suffix.lower() not in _known_suffixes()
        if is_hub_id and not os.path.isdir(os.path.dirname(path)):
            return HubSource(path, mapping, split, subset)
        raise refuse(path, f"does not exist; give {FORMS}")
    if os.path.isdir(path) and is_saved(path):
        if subset is not None:
            raise refuse(path, f"--subset {subset} is for ids of the hub alone; leave it out")
        return HubSource(path, mapping, split, subset)
    for name, value in (("--split", split), ("--subset", subset)):
        if value is not None:
            raise refuse(path, f"{name} {value} is for `datasets` sets alone; leave it out")
    return _folder(path, mapping) if os.path.isdir(path) else _file(path, mapping)


def _file(path: str, mapping: Mapping[str, str]) -> Source:
    if not os.path.isfile(path):
        raise refuse(path, "is not a regular file; give a file or a folder")
    if path.lower().endswith(TAR_SUFFIXES):
        return TarImages(path, mapping)
    suffix = Path(path).suffix.lower()
    if suffix == TEXT_SUFFIX:
        return TextSource(path)
    if suffix in TABLE_SUFFIXES:
        return TableSource(path, mapping)
    remedy = REMEDIES.get(suffix, f"give {FORMS}")
    raise refuse(path, f"its ending {suffix or 'is missing and'} tells no kind of source; {remedy}")


def _folder(path: str, mapping: Mapping[str, str]) -> Source:
    """Tar files, or images; a folder of tables has to be named file by file. Of a run's output its
    shards."""
    if os.path.isfile(os.path.join(path, "run.json")):
        shards = os.path.join(path, "shards")
        if os.path.isdir(shards):
            path = shards
        # Other programs write a file of that name, too.
        elif os.path.isdir(os.path.join(path, "_state")):
            raise refuse(shards, "does not exist; the run has no accepted samples yet")
    has_tars, images = bool(tar_files(Path(path))), has_images(path)
    if has_tars and images:
        message = "holds tar files and images; name one kind, as in DIR/*.tar"
        raise refuse(path, message)
    if has_tars:
        return TarImages(path, mapping)
    if images:
        return ImageFolder(path, mapping)
    tables = [name for name in sorted(os.listdir(path)) if Path(name).suffix in TABLE_SUFFIXES]
    if tables:
        files = " ".join(os.path.join(path, name) for name in tables[:3])
        raise refuse(path, f"holds no images but tables; name them, as in {files}")
    raise refuse(path, f"holds no images; give {FORMS}")


def _known_suffixes() -> tuple[str, ...]:
    return (TEXT_SUFFIX, *TABLE_SUFFIXES, *TAR_SUFFIXES, *REMEDIES)
