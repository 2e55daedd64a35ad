"""How large a corpus will be on disk: an estimate, from the size and the format of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muse.sizes import Size
from pipeline.config import Config
from pipeline.planning.request_sizes import RequestSizes, ranked

BYTES_A_PIXEL = {"png": (1.0, 2.2), "webp": (0.7, 1.8), "jpg": (0.25, 0.8)}
"""Least and most bytes for a pixel, by format. Measured on ten colour photographs at 512 px and on
22 images of the embedded model, as `pipeline.generation.finished_images` encodes them."""

BYTES_A_SAMPLE = 8_000
"""Of a sample beside its image: its other files, the headers of a tar, rows of metadata. Measured
on the same 22."""

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class DiskEstimate:
    """Bytes of a corpus if all of its requests are accepted.

    Attributes:
        low, high: between these.
        sizes: how many images there are of each width and height.
        image_format: of the images.
    """

    low: int
    high: int
    sizes: Mapping[Size, int]
    image_format: str

    def as_json(self) -> dict[str, Any]:
        """The numbers, for machines; `size` is the commonest."""
        sizes = ranked(self.sizes)
        return {**vars(self), "sizes": sizes, "size": vars(self.commonest)}

    @property
    def commonest(self) -> Size:
        """The size of most images; of equal ones the smallest."""
        return min(self.sizes, key=lambda size: (-self.sizes[size], size))


def disk_estimate(
    sizes: RequestSizes, config: Config, photographs: Mapping[Size, int]
) -> DiskEstimate | None:
    """The estimate for requests; None where the size of the images of some is not known.

    Edits without a size of their own are of about the area of the model's own, whatever their
    aspect; with `restore_size` of the mean area of the photographs.

    Args:
        photographs: how many of those that were looked at have each size.
    """
    if sizes.unknown or not sizes.all:
        return None
    pixels = float(_pixels(sizes.generate) + _pixels(sizes.edit))
    if config.restore_size and photographs:
        mean = _pixels(photographs) / sum(photographs.values())
        pixels = _pixels(sizes.generate) + mean * sizes.edit.total()
    beside = sizes.all.total() * BYTES_A_SAMPLE
    low, high = (round(pixels * rate + beside) for rate in BYTES_A_PIXEL[config.image_format])
    return DiskEstimate(low, high, dict(sizes.all), config.image_format)


def _pixels(sizes: Mapping[Size, int]) -> int:
    """Pixels of all images together."""
    return sum(size.area * count for size, count in sizes.items())


def as_text(size: int) -> str:
    """Bytes in the largest unit of which there is at least one, to two digits: `1.2 GB`."""
    unit = max(0, min((len(str(size)) - 1) // 3, len(UNITS) - 1))
    value = float(f"{size / 1000**unit:.2g}")
    return f"{value:,g} {UNITS[unit]}"
