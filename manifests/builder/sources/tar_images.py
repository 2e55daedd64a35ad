"""Images and captions in a WebDataset: tar files, one or a folder of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from manifests import schema
from manifests.builder.item import Item, Skipped, refuse
from manifests.builder.sources.pictures import CAPTION_SUFFIXES, SUFFIXES, described, left_out_notes
from manifests.tars import TAR_SUFFIXES, DamagedTarError, read_samples

NO_IMAGE = "sample without an image"
DOTTED = (
    "image with a second dot in its name, where a sample's name ends at the first; rename the file"
)


class TarImages:
    """See `manifests.builder.item.Source`. Its images are copied into the manifest.

    Where no archive has an image, its samples are captions to generate from. Beside images, a
    sample without one has lost it, and is skipped.

    Args:
        mapping: our column to the key of a `.json`.
    """

    is_folder = False
    image_kind: pa.DataType | None = pa.binary()
    extra = pa.schema([])

    def __init__(self, path: str, mapping: Mapping[str, str]):
        self.path, self.folder, self.mapping = path, str(Path(path).resolve().parent), mapping
        self.notes: list[str] = []

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """Samples in the order of their archives."""
        self.notes = []
        keys: set[str] = set()
        suffixes: set[str] = set()
        overruled = Skipped()
        for file in tar_files(Path(self.path)):
            for key, parts in self._samples(file):
                if why := self._lacks_image(parts):
                    skipped.add(why, f"{file} {key}")
                else:
                    yield self._item(file, key, parts, keys, suffixes, overruled)
        self.notes += [*left_out_notes(self.path, keys, suffixes), *overruled.lines("left out")]

    @cached_property
    def _has_images(self) -> bool:
        """Whether any sample has one. Where the first does, nothing more is read."""
        for file in tar_files(Path(self.path)):
            if any(not parts.keys().isdisjoint(SUFFIXES) for _, parts in self._read(file)):
                return True
        return False

    def _lacks_image(self, parts: Mapping[str, bytes]) -> str | None:
        """Why a sample is skipped that has no image though it should have one, or None."""
        if not parts.keys().isdisjoint(SUFFIXES):
            return None
        if any(suffix.rpartition(".")[2] in SUFFIXES for suffix in parts):
            return DOTTED
        return NO_IMAGE if self._has_images else None

    def _samples(self, file: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
        ignored: Counter[str] = Counter()
        yield from self._read(file, ignored)
        # Members without a suffix belong to no sample: what they are is not known.
        if ignored:
            listed = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
            self.notes.append(f"{file}: ignored {listed}")

    def _read(
        self, file: Path, ignored: Counter[str] | None = None
    ) -> Iterator[tuple[str, dict[str, bytes]]]:
        try:
            yield from read_samples(file, Counter() if ignored is None else ignored)
        except DamagedTarError as error:
            raise refuse(self.path, str(error)) from None

    def _item(
        self,
        file: Path,
        key: str,
        parts: Mapping[str, bytes],
        keys: set[str],
        suffixes: set[str],
        overruled: Skipped,
    ) -> Item:
        place = f"{file.name} {key}"
        captions, images = {}, []
        for suffix, data in parts.items():
            if suffix in SUFFIXES:
                images.append(data)
            elif suffix in (*CAPTION_SUFFIXES, "json"):
                captions[suffix] = data
            else:
                suffixes.add(f".{suffix}")
        try:
            found = described(captions, self.mapping)
        except ValueError as error:
            return Item(place, {}, f"its {error}")
        keys.update(found.left_out)
        if found.overruled:
            overruled.add(found.overruled, place)
        if len(images) > 1:
            return Item(place, {}, f"has {len(images)} images; keep one")
        return Item(place, {**found.values, schema.IMAGE: images[0] if images else None})


def tar_files(path: Path) -> list[Path]:
    """The archive itself, or those of a folder in the order of their names."""
    if path.is_file():
        return [path] if path.name.lower().endswith(TAR_SUFFIXES) else []
    found = []
    for file in sorted(path.iterdir()):
        if file.is_file() and file.name.lower().endswith(TAR_SUFFIXES):
            found.append(file)
    return found
