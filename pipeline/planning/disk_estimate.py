"""How large a corpus will be on disk: an estimate, from the size and the format of its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from muse.sizes import Size
from pipeline.config import Config
from pipeline.models.sizes import model_sizes

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
        size: of an image.
        image_format: of the images.
    """

    low: int
    high: int
    size: Size
    image_format: str

    def as_json(self) -> dict[str, Any]:
        """The numbers, for machines."""
        return {**vars(self), "size": vars(self.size)}


def disk_estimate(samples: int, config: Config) -> DiskEstimate | None:
    """The estimate for a number of samples; None where the size of the images is not known."""
    size = image_size(config)
    if size is None:
        return None
    low, high = (size.area * rate + BYTES_A_SAMPLE for rate in BYTES_A_PIXEL[config.image_format])
    return DiskEstimate(round(samples * low), round(samples * high), size, config.image_format)


def image_size(config: Config) -> Size | None:
    """The size of the images that a run makes, by the files of a model on this machine.

    Edits are of about the same area, whatever their aspect.
    """
    sizes = model_sizes(config)
    return config.size or (None if sizes is None else sizes.own)


def as_text(size: int) -> str:
    """Bytes in the largest unit of which there is at least one, to two digits: `1.2 GB`."""
    unit = max(0, min((len(str(size)) - 1) // 3, len(UNITS) - 1))
    value = float(f"{size / 1000**unit:.2g}")
    return f"{value:,g} {UNITS[unit]}"
