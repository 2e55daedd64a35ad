"""Labelled images from an image folder, a WebDataset or a `datasets` set, one at a time, labels as names."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError

IMAGES = ("png", "jpg", "jpeg", "webp", "bmp")
COLUMNS = ("emotion", "label", "labels")
"""Where a label is looked for, in this order: columns of a table, keys of a sample's JSON."""


@dataclass(frozen=True)
class Labelled:
    """One image, encoded, with its label; `name` says where it lies."""

    name: str
    image: bytes
    label: str


def read_labelled(data: Path, classes: Sequence[str] = ()) -> Iterator[Labelled]:
    """Every labelled image of `data`, in a fixed order.

    Args:
        data: a folder with a subfolder of images for each class; tar shards (a file, a folder of them, or the
            output of a run) whose samples have a .json with an `emotion` or `label`, or a .cls; a parquet file, a
            folder of them, or what `Dataset.save_to_disk` wrote.
        classes: the names that numbers stand for, where the data do not say themselves.

    Raises:
        UserError: nothing that can be read, or a label that is a number without a name.
    """
    for tars in (data, data / "shards"):
        if files := _files(tars, "tar"):
            for file in files:
                yield from _from_tar(file, classes)
            return
    if (data / "dataset_dict.json").is_file():
        splits = ", ".join(json.loads((data / "dataset_dict.json").read_text())["splits"])
        raise UserError(
            f"{data} holds several splits ({splits}); give the folder of one, as {data / 'train'}"
        )
    for tables in (data, data / "data"):
        for suffix in ("parquet", "arrow"):
            if files := _files(tables, suffix):
                for file in files:
                    yield from _from_table(file, classes)
                return
    found = False
    for folder in sorted(path for path in data.iterdir() if path.is_dir()) if data.is_dir() else ():
        for file in sorted(path for path in folder.rglob("*") if path.suffix.lower()[1:] in IMAGES):
            found = True
            yield Labelled(str(file), file.read_bytes(), folder.name)
    if not found:
        raise UserError(
            f"{data}: no labelled images; give a folder with a subfolder of images for each emotion, "
            "tar shards, parquet files, or a saved `datasets` set"
        )


def _files(place: Path, suffix: str) -> list[Path]:
    if place.is_file():
        return [place] if place.suffix == f".{suffix}" else []
    return sorted(place.glob(f"*.{suffix}"))


def _from_tar(file: Path, classes: Sequence[str]) -> Iterator[Labelled]:
    """The members of a sample stand together, as WebDataset wants it."""
    key = ""
    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                stem, _, suffix = member.name.partition(".")
                if stem != key:
                    yield from _sample(file, key, parts, classes)
                    key, parts = stem, {}
                if (handle := archive.extractfile(member)) is not None:
                    parts[suffix.lower()] = handle.read()
    except tarfile.TarError as error:
        raise UserError(f"{file}: not a whole tar file ({error})") from None
    yield from _sample(file, key, parts, classes)


def _sample(
    file: Path, key: str, parts: Mapping[str, bytes], classes: Sequence[str]
) -> Iterator[Labelled]:
    image = next((parts[suffix] for suffix in IMAGES if suffix in parts), None)
    if image is None:
        return
    name = f"{file}: {key}"
    try:
        told = json.loads(parts.get("json", b"{}"))
        label = next((told[column] for column in COLUMNS if told.get(column) is not None), None)
        if label is None:
            label = parts["cls"].decode().strip()
    except (ValueError, AttributeError, KeyError):
        raise UserError(
            f"{name} has neither a .json with an `emotion` or `label` nor a .cls; it needs one"
        ) from None
    yield Labelled(name, image, _named(name, label, classes))


def _from_table(file: Path, classes: Sequence[str]) -> Iterator[Labelled]:
    try:
        batches = _batches(file)
        schema = next(batches)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from None
    column = next((name for name in COLUMNS if name in schema.names), None)
    if column is None or "image" not in schema.names:
        raise UserError(
            f"{file} has the columns {', '.join(schema.names)}; it needs `image` and `label` (or `emotion`)"
        )
    names, number = _class_names(schema, column) or list(classes), 0
    for batch in batches:
        for image, label in zip(batch["image"].to_pylist(), batch[column].to_pylist(), strict=True):
            name = f"{file}: row {number}"
            data = image.get("bytes") if isinstance(image, Mapping) else image
            if not isinstance(data, bytes):
                raise UserError(
                    f"{name}: column 'image' holds no encoded image; embed them (`datasets` does by default)"
                )
            yield Labelled(name, data, _named(name, label, names))
            number += 1


def _batches(file: Path) -> Iterator[Any]:
    """First the schema, then record batches."""
    if file.suffix == ".parquet":
        with pq.ParquetFile(file, pre_buffer=False) as parquet:
            yield parquet.schema_arrow
            yield from parquet.iter_batches(batch_size=256, use_threads=False)
    else:
        with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
            yield stream.schema
            yield from stream


def _class_names(schema: pa.Schema, column: str) -> list[str]:
    """The names of a ClassLabel, from the features that `datasets` writes into a schema; none elsewhere."""
    told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    return told.get("info", {}).get("features", {}).get(column, {}).get("names", [])


def _named(name: str, label: Any, classes: Sequence[str]) -> str:
    """A label as a name. Numbers are never guessed at: data sets order the same emotions differently."""
    text = str(label).strip()
    if not text.isdigit():
        return text
    if int(text) < len(classes):
        return classes[int(text)]
    raise UserError(
        f"{name}: its label is {text}, and the data do not say which emotion that is; "
        "name all in their order: --set 'classes=[\"amusement\", ...]'"
    )
