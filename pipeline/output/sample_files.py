"""The files of one sample in a tar: class index, metadata, image, prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.output.rows import RowLayout

MIXTURE = "mixture"
"""The name of the class of all mixtures: a mixture is in none of its members' classes."""


@dataclass(frozen=True)
class SampleFormat:
    """How samples are stored.

    Attributes:
        layout: of the metadata.
        image_format: the ending of the image.
        labels: the emotions, in the order of their class indices.
    """

    layout: RowLayout
    image_format: str
    labels: Sequence[str]

    def image_name(self, key: str) -> str:
        return f"{key}.{self.image_format}"

    def names(self, key: str) -> list[str]:
        """The names of a sample's files, in the order in which they are stored."""
        return [f"{key}.cls", f"{key}.json", self.image_name(key), f"{key}.txt"]

    def files(self, row: Mapping[str, Any], image: bytes) -> Iterator[tuple[str, bytes]]:
        """Names and contents of a sample's files."""
        index, metadata = str(self.class_index(row)).encode(), self.layout.to_json(row)
        contents = (index, metadata, image, row["prompt"].encode())
        yield from zip(self.names(row["key"]), contents, strict=True)

    def class_index(self, row: Mapping[str, Any]) -> int:
        """The position of the target emotion in `labels`; of a mixture the one after the last."""
        if row["emotion"] is None:
            return len(self.labels)
        return self.labels.index(row["emotion"])


def class_names(labels: Sequence[str], has_mixtures: bool) -> list[str]:
    """The names of the class indices of a corpus, all different."""
    if not has_mixtures:
        return list(labels)
    return [*labels, f"{MIXTURE} of emotions" if MIXTURE in labels else MIXTURE]
