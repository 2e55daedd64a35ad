"""Data sets of the library `datasets`: saved in a folder, or on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import schema
from manifests.builder.columns import renames
from manifests.builder.item import Item, Skipped, refuse
from manifests.builder.sources.arrow_table import ROWS_AT_ONCE, plain_schema, rows_of_batches
from manifests.builder.sources.tables import image_kind
from manifests.check import shown

SAVED = ("dataset_info.json", "dataset_dict.json")
"""A file of a folder that `save_to_disk` wrote; one split, or several."""

INSTALL = "the library `datasets` is not installed; pip install 'muse-batch[hub]'"


class HubSource:
    """One split of a data set; see `manifests.builder.item.Source`.

    Args:
        path: a folder of `save_to_disk`, or a hub id `owner/name`.
        mapping: our column to theirs.
        split: which one, where there are several.
        subset: the configuration of a hub id, where there are several.

    Raises:
        ManifestError: it cannot be loaded, or has no usable columns.
    """

    is_folder = False

    def __init__(
        self, path: str, mapping: Mapping[str, str], split: str | None, subset: str | None
    ):
        self.path, self.folder = path, str(Path(path).resolve().parent)
        self.notes: list[str] = []
        self._data = self._undecoded(self._split(self._load(subset), split))
        theirs = self._data.features.arrow_schema
        images = [name for name, feature in self._data.features.items() if _is_image(feature)]
        if len(images) == 1 and schema.IMAGE not in {*theirs.names, *mapping}:
            mapping = {**mapping, schema.IMAGE: images[0]}
            self.notes.append(f"{path}: column {images[0]!r} was taken as image")
        self._renamed = renames(path, theirs.names, mapping, self.notes)
        plain = plain_schema(path, theirs)
        ours = pa.schema([field.with_name(self._renamed[field.name]) for field in plain])
        self.extra = pa.schema([field for field in ours if field.name not in schema.COLUMNS])
        self.image_kind = image_kind(path, ours)

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """Its rows."""
        tables = self._data.with_format("arrow").iter(ROWS_AT_ONCE)
        batches = (batch for table in tables for batch in table.combine_chunks().to_batches())
        columns = self._data.features.arrow_schema
        for place, values in rows_of_batches(self.path, columns, batches):
            yield Item(place, {self._renamed[name]: value for name, value in values.items()})

    def _load(self, subset: str | None) -> Any:
        try:
            import datasets
        except ImportError:
            raise refuse(self.path, INSTALL) from None
        datasets.disable_progress_bars()
        load: Callable[[], Any]
        if is_saved(self.path):
            load = lambda: datasets.load_from_disk(self.path)  # noqa: E731
        else:
            load = lambda: datasets.load_dataset(self.path, subset)  # noqa: E731
        try:
            return load()
        except Exception as error:  # of the file, of its builder, of the network: all kinds
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            where = "" if is_saved(self.path) else "is not here, and "
            raise refuse(
                self.path, f"{where}cannot be loaded by `datasets`: {shown(why)}"
            ) from None

    def _split(self, data: Any, split: str | None) -> Any:
        if hasattr(data, "column_names") and isinstance(data.column_names, list):
            if split is not None:
                raise refuse(self.path, f"has no splits; leave --split {split} out")
            return data
        names = list(data)
        if split is None and len(names) == 1:
            return data[names[0]]
        if split not in names:
            given = "has several splits" if split is None else f"has no split {split!r}"
            raise refuse(self.path, f"{given}; give --split {' or --split '.join(names)}")
        return data[split]

    def _undecoded(self, data: Any) -> Any:
        """The data with images as they were encoded."""
        import datasets

        for name, feature in data.features.items():
            if _is_image(feature):
                data = data.cast_column(name, datasets.Image(decode=False))
        return data


def is_saved(path: str) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return any(os.path.isfile(os.path.join(path, name)) for name in SAVED)


def _is_image(feature: Any) -> bool:
    return type(feature).__name__ == "Image"
