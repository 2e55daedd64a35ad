"""What lies in an output: the files that one listing found, and the markers of committed shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.output.markers import Marker, read_markers
from pipeline.storage.files import Location, sizes_below


@dataclass(frozen=True)
class Contents:
    """The files of an output.

    Attributes:
        sizes: in bytes, by path relative to the output.
        markers: of the committed shards, in order.
    """

    sizes: Mapping[str, int]
    markers: Sequence[Marker]


def contents_of(output: Location) -> Contents:
    """List an output once, and read its markers.

    Raises:
        UserError: a marker is damaged.
    """
    sizes = sizes_below(output)
    return Contents(sizes, read_markers(output, sizes))
