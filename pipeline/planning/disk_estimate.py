"""How large a corpus will be on disk: an estimate, from the size and the format of its images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.config_models import EMBEDDED
from pipeline.generation.null_engine import SIDE

BYTES_A_PIXEL = {"png": (1.0, 2.2), "webp": (0.7, 1.8), "jpg": (0.25, 0.8)}
"""Least and most bytes for a pixel, by format. Measured on ten colour photographs at 512 px and on
22 images of the embedded model, as `pipeline.generation.finished_images` encodes them."""

BYTES_A_SAMPLE = 8_000
"""Of a sample beside its image: its other files, the headers of a tar, rows of metadata. Measured
on the same 22."""

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")

NETWORKS = ("unet", "transformer")
"""Folders of the network in a model's folder."""


@dataclass(frozen=True)
class DiskEstimate:
    """Bytes of a corpus if all of its requests are accepted.

    Attributes:
        low, high: between these.
        side: pixels of an image's side.
        image_format: of the images.
    """

    low: int
    high: int
    side: int
    image_format: str


def disk_estimate(samples: int, config: Config) -> DiskEstimate | None:
    """The estimate for a number of samples; None where the size of the images is not known."""
    side = image_side(config)
    if side is None:
        return None
    low, high = (side * side * rate + BYTES_A_SAMPLE for rate in BYTES_A_PIXEL[config.image_format])
    return DiskEstimate(round(samples * low), round(samples * high), side, config.image_format)


def image_side(config: Config) -> int | None:
    """Pixels of a side of the images that a run makes, by the files of a model on this machine."""
    if config.engine == "null":
        return SIDE
    model = WEIGHTS / "diffusion" if config.model == EMBEDDED else Path(config.model).expanduser()
    vae = _settings(model / "vae")
    for name in NETWORKS:
        cells = _settings(model / name).get("sample_size")
        blocks = vae.get("block_out_channels")
        if isinstance(cells, int) and isinstance(blocks, list):
            # Each block of the VAE but the last halves the image.
            return int(cells * 2 ** (len(blocks) - 1))
    return None


def as_text(size: int) -> str:
    """Bytes in the largest unit of which there is at least one, to two digits: `1.2 GB`."""
    unit = max(0, min((len(str(size)) - 1) // 3, len(UNITS) - 1))
    value = float(f"{size / 1000**unit:.2g}")
    return f"{value:,g} {UNITS[unit]}"


def _settings(folder: Path) -> Mapping[str, Any]:
    """What the `config.json` of a model's part says; nothing if there is none."""
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
