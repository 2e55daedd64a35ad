"""How many images of each size a run makes: as rows, the settings or the model say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from manifests.schema import Row
from muse.sizes import ModelSizes, Size
from pipeline.config import Config
from pipeline.planning.plan import size_of

MAX_TIMES_OWN_AREA = 4
"""Images of more than so many times the area of a model's own are warned of: models repeat what
they draw, and memory and time grow at least as fast as the area."""


class RequestSizes:
    """Counts the requests of the rows it is given by the size of their images.

    Attributes:
        generate: requests without a source image, by the size of their images; those whose size is
            not known are left out.
        edit: requests with one. An edit for which neither its row nor the settings give a size is
            counted as of the model's own, since it is of about the same area.
        unknown: requests of which the size is not known.
    """

    def __init__(self, config: Config, model: ModelSizes | None):
        self.generate: Counter[Size] = Counter()
        self.edit: Counter[Size] = Counter()
        self.unknown = 0
        own = None if model is None else model.own
        self._default = config.size or own
        # The null engine makes any size alike.
        self._own = None if config.engine == "null" else own
        self._large: Counter[Size] = Counter()
        self._first_large: int | None = None

    def add(self, row: Row, requests: int) -> None:
        """Count the requests of a row."""
        size = size_of(row) or self._default
        if size is None:
            self.unknown += requests
            return
        (self.generate if row.image is None else self.edit)[size] += requests
        if self._own is not None and size.area > MAX_TIMES_OWN_AREA * self._own.area:
            self._large[size] += 1
            if self._first_large is None:
                self._first_large = row.number

    @property
    def all(self) -> Counter[Size]:
        """Requests of either task by size."""
        return self.generate + self.edit

    @property
    def warnings(self) -> Iterator[str]:
        """A warning if images are to be much larger than the model's own."""
        if not self._large:
            return
        largest = max(self._large, key=lambda size: (size.area, size))
        yield (
            f"{self._large.total()} row(s), the first of them row {self._first_large}, make images "
            f"of more than {MAX_TIMES_OWN_AREA} times the area of the model's own {self._own} "
            f"pixels, up to {largest}: these take far more memory and time, and models repeat "
            "objects in them. Give smaller sizes (columns or settings width and height)"
        )


def ranked(sizes: Mapping[Size, int]) -> dict[str, int]:
    """Sizes as `64x48`, the commonest first."""
    in_order = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return {f"{size.width}x{size.height}": count for size, count in in_order}
