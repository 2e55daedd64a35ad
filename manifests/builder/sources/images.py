"""A folder of images, each with its caption beside it, if there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from manifests import schema
from manifests.builder.item import Item, Skipped
from manifests.builder.sources.pictures import CAPTION_SUFFIXES, SUFFIXES, described, left_out_notes

SYSTEM_FILES = ("thumbs.db", "desktop.ini")

MAX_CAPTION = 1_000_000
"""Bytes of a file with a caption."""


class ImageFolder:
    """See `manifests.builder.item.Source`. Images of subfolders belong to it.

    Args:
        mapping: our column to the key of a `.json`.
    """

    is_folder = True
    image_kind: pa.DataType | None = pa.string()
    extra = pa.schema([])

    def __init__(self, path: str, mapping: Mapping[str, str]):
        self.path, self.folder, self.mapping = path, str(Path(path).resolve()), mapping
        self.notes: list[str] = []

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """Images in the order of their names, with paths relative to the folder."""
        keys: set[str] = set()
        overruled = Skipped()
        for folder, names in self._folders(skipped):
            stems: dict[str, list[str]] = {}
            for name in names:
                stems.setdefault(Path(name).stem, []).append(name)
            for files in stems.values():
                for name in self._images(folder, files, skipped):
                    yield self._item(folder, name, files, keys, overruled)
        self.notes = [*left_out_notes(self.path, keys), *overruled.lines("left out")]

    def _folders(self, skipped: Skipped) -> Iterator[tuple[str, list[str]]]:
        """Every folder below this one, relative to it, with its visible files."""
        for root, folders, names in os.walk(self.path):
            folder = os.path.relpath(root, self.path)
            folders.sort()
            for name in [name for name in folders if name.startswith(".")]:
                folders.remove(name)
                skipped.add("hidden folder", os.path.join(root, name))
            for name in folders:
                if os.path.islink(os.path.join(root, name)):
                    skipped.add("link to a folder", os.path.join(root, name))
            visible = []
            for name in sorted(names):
                if not _is_text(name):
                    skipped.add("name that is not UTF-8; rename it", os.path.join(root, name))
                elif name.startswith(".") or name.lower() in SYSTEM_FILES:
                    skipped.add("hidden file", os.path.join(root, name))
                else:
                    visible.append(name)
            yield folder, visible

    def _images(self, folder: str, names: list[str], skipped: Skipped) -> Iterator[str]:
        """The images among the files with one stem."""
        images = [name for name in names if _suffix(name) in SUFFIXES]
        for name in names:
            if name in images:
                continue
            place = os.path.join(self.path, folder, name)
            if _suffix(name) not in (*CAPTION_SUFFIXES, "json"):
                skipped.add("no image by its name", os.path.normpath(place))
            elif not images:
                skipped.add("caption without an image", os.path.normpath(place))
        for name in images:
            path = os.path.normpath(os.path.join(self.path, folder, name))
            if not os.path.isfile(path):
                skipped.add("no regular file", path)
            else:
                yield name

    def _item(
        self, folder: str, name: str, files: list[str], keys: set[str], overruled: Skipped
    ) -> Item:
        place = os.path.normpath(os.path.join(folder, name))
        captions = {}
        try:
            for other in files:
                if _suffix(other) in (*CAPTION_SUFFIXES, "json"):
                    captions[_suffix(other)] = self._caption(os.path.join(folder, other))
            found = described(captions, self.mapping)
        except ValueError as error:
            return Item(place, {}, f"its {error}")
        keys.update(found.left_out)
        if found.overruled:
            overruled.add(found.overruled, os.path.normpath(os.path.join(self.path, place)))
        values = found.values
        mask = values.get(schema.MASK)
        if isinstance(mask, str) and mask.strip() and "://" not in mask:
            # Its path is seen from the file that names it.
            values[schema.MASK] = os.path.normpath(os.path.join(folder, mask))
        return Item(place, {**values, schema.IMAGE: place})

    def _caption(self, name: str) -> bytes:
        path = os.path.join(self.path, name)
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_CAPTION:
            message = f"is no regular file of at most {MAX_CAPTION:,} bytes; replace it"
            raise ValueError(f".{_suffix(name)} {message}")
        return Path(path).read_bytes()


def has_images(folder: str) -> bool:
    """Whether a folder or one below it holds a file that is named like an image."""
    files = (name for _, _, names in os.walk(folder) for name in names)
    return any(_suffix(name) in SUFFIXES for name in files)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower().lstrip(".")


def _is_text(name: str) -> bool:
    """Whether a name is valid UTF-8 on the disk."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
