"""Sizes of images that a diffusion model makes: its own, those it allows, and buckets of its area.

This module imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

Resize = Literal["fit", "crop", "pad", "stretch"]
"""How a picture gets the size of a model's images (see `muse.fitting.fit_image`)."""

STEPS_A_SIDE = 16
"""Buckets differ by this part of a side at least: 64 pixels for a model of 1024, as SDXL's do."""

MAX_SIDE = 65_535
"""Pixels of a side of an image at most. Formats of image files may hold less."""

MAX_AREA = 178_956_970
"""Pixels of an image at most: Pillow refuses to open larger ones again."""

USUAL_CELLS = 128
"""Side of the latents of models that have no size of their own, as diffusers' pipelines have it."""

OLD_RELEASES = re.compile(r"0\.[0-8](\D.*)?")
"""Releases of diffusers that wrote a wrong `sample_size`, by `_diffusers_version`."""

OLD_CELLS = 64
"""Side that diffusers' StableDiffusionPipeline puts in the place of a smaller one from such a
release, https://github.com/huggingface/diffusers (pipeline_stable_diffusion.py)."""

USUAL_SIZE = ("axes_dims_rope", "all_patch_size")
"""Settings of FLUX's and Z-Image's networks, which have no `sample_size`; patches are 2 x 2."""


@dataclass(frozen=True, order=True)
class Size:
    """Width and height of an image, pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class ModelSizes:
    """The sizes of images that a model makes.

    Attributes:
        own: the size that it was trained for.
        multiple: of which width and height have to be multiples, pixels.
        longest: the longest side that it has positions for, pixels; None for any.
    """

    own: Size
    multiple: int
    longest: int | None = None

    @classmethod
    def of(cls, network: Mapping[str, Any], vae: Mapping[str, Any]) -> ModelSizes | None:
        """From the configurations of a U-Net or a diffusion transformer, and of a VAE.

        None if they do not say how large the model's images are, or have other values than numbers.
        """
        if any(key in network for key in USUAL_SIZE):
            network = {**network, "sample_size": USUAL_CELLS, "patch_size": 2}
        cells, blocks = _cells(network), vae.get("block_out_channels", ())
        levels = network.get("block_out_channels", (1,))
        patch, positions = network.get("patch_size"), network.get("pos_embed_max_size")
        axes = network.get("axes_lens", (1,))
        # What is of the wrong type is told where the model is located.
        are_lists = all(map(is_counts, (blocks, levels, axes)))
        are_numbers = all(value is None or is_count(value) for value in (patch, positions))
        if cells is None or blocks is None or not (are_lists and are_numbers):
            return None
        # Each block of the VAE but the last halves the image.
        factor = 2 ** (len(blocks) - 1)
        height, width = (count * factor for count in cells)
        longest = None
        if patch:
            multiple = factor * patch
            # Z-Image has places for so many rows and columns of patches.
            positions = positions or min(axes[1:], default=0)
            longest = positions * multiple if positions else None
        else:
            # A U-Net halves the latents in each of its blocks but the last.
            multiple = factor * 2 ** (len(levels) - 1)
        return cls(Size(width, height), multiple, longest)

    def problem(self, pixels: int, beside: int = 1, longest: int = MAX_SIDE) -> str | None:
        """Why no image can be so wide, or high, with the nearest that can; None if it can.

        Args:
            beside: its other side; none is named that makes an image with it that is too large.
            longest: the longest side to name, as a format of image files has one.
        """
        limit = min(MAX_SIDE, self.longest or MAX_SIDE)
        if pixels > limit:
            who = "an image has" if limit == MAX_SIDE else "this model makes"
            return f"is {pixels}; {who} at most {limit}"
        if pixels > 0 and pixels % self.multiple == 0:
            return None
        # The other side may have to be rounded, too.
        other = min(MAX_SIDE, max(1, -(-beside // self.multiple) * self.multiple))
        most = min(limit, longest, MAX_AREA // other) // self.multiple * self.multiple
        below = max(1, pixels // self.multiple) * self.multiple
        around = [below] if pixels < below else [below, below + self.multiple]
        nearest = [size for size in around if size <= most] or [max(most, self.multiple)]
        given = " or ".join(map(str, nearest))
        return f"is {pixels}; this model takes multiples of {self.multiple}: give {given}"

    def side_problems(self, width: int, height: int, longest: int = MAX_SIDE) -> dict[str, str]:
        """Why the model makes no image of this size, by side; empty if it does.

        Args:
            longest: see `problem`.
        """
        if Size(width, height) == self.own:
            return {}
        problems = {
            "width": self.problem(width, height, longest),
            "height": self.problem(height, width, longest),
        }
        found = {side: problem for side, problem in problems.items() if problem}
        if not found and width * height > MAX_AREA:
            longer = "width" if width >= height else "height"
            found[longer] = (
                f"is {max(width, height)} beside {min(width, height)}; no image of more than "
                f"{MAX_AREA:,} pixels could be opened again: give a smaller size"
            )
        return found

    def size_problem(self, size: Size) -> str | None:
        """The first of these, in words; None if there is none."""
        problems = self.side_problems(size.width, size.height)
        return next((f"{side} {problem}" for side, problem in problems.items()), None)

    @cached_property
    def buckets(self) -> Sequence[Size]:
        """Sizes of about the area of the model's own and never more, from 1 : 4 to 4 : 1.

        For each shorter side, from half of the own one in steps of about a sixteenth, the other is
        the longest whose area fits. SDXL (Podell et al., arXiv 2307.01952, appendix I) and NovelAI
        (https://github.com/NovelAI/novelai-aspect-ratio-bucketing) trained on such sizes.
        """
        return sorted({self.own, *self._sizes_of_area()})

    def _sizes_of_area(self) -> Iterator[Size]:
        side = int(self.own.area**0.5)
        # The least step that is a multiple of the model's.
        step = self.multiple * max(1, -(-side // STEPS_A_SIDE // self.multiple))
        first = -(-side // 2 // step) * step
        for shorter in range(first, side + 1, step):
            longer = self.own.area // shorter // step * step
            if self.longest is None or longer <= self.longest:
                yield Size(shorter, longer)
                yield Size(longer, shorter)

    def bucket_of(self, size: Size) -> Size:
        """The bucket whose aspect is nearest to that of `size`; of equal ones the largest."""

        def order(bucket: Size) -> tuple[Fraction, int, Size]:
            # Exact, so that it is the same on every machine.
            ratio = Fraction(bucket.width * size.height, bucket.height * size.width)
            return max(ratio, 1 / ratio), -bucket.area, bucket

        return min(self.buckets, key=order)


def _cells(network: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of a network's latents as its pipeline in diffusers takes them."""
    cells = network.get("sample_size")
    is_old = bool(OLD_RELEASES.fullmatch(str(network.get("_diffusers_version"))))
    # Of a transformer there is none of so old a release, and that of XL has no such rule.
    is_old = is_old and network.get("addition_embed_type") is None
    if is_old and isinstance(cells, int) and 0 < cells < OLD_CELLS:
        cells = OLD_CELLS
    return sides(cells)


def sides(cells: Any) -> tuple[int, int] | None:
    """Height and width of latents as a configuration says: one number, or both. None if it does not
    say, or has numbers that are no sides.
    """
    both = (cells, cells) if isinstance(cells, int) else cells
    if not isinstance(both, Sequence) or len(both) != 2:
        return None
    height, width = both
    are_sides = all(type(side) is int and side > 0 for side in (height, width))
    return (height, width) if are_sides else None


def is_count(value: Any) -> bool:
    """Whether a setting is a whole number above 0."""
    return type(value) is int and value > 0


def is_counts(value: Any) -> bool:
    """Whether a setting is a list of such numbers, one at least."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(is_count, value))


def by_size(sizes: Sequence[Size | None]) -> list[list[int]]:
    """The places of each size, in the order in which the sizes first come up."""
    places: dict[Size | None, list[int]] = {}
    for place, size in enumerate(sizes):
        places.setdefault(size, []).append(place)
    return list(places.values())
