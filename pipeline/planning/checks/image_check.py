"""The source images of a manifest and their masks, before a run: every local image by its header,
its mask by the pixels, and a sample of remote ones."""

from __future__ import annotations

import io
import os
import stat
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Lock

from PIL import Image

from manifests import schema
from manifests.check import MAX_PROBLEMS, Problem
from manifests.schema import Row
from muse.fitting import FittedImage, box_of, part_and_place
from muse.images import UnreadableImageError, decode, upright_size
from muse.masks import MaskError, fit_mask, has_white, shape_problem
from muse.sizes import ModelSizes, Size
from pipeline.config import Config
from pipeline.errors import ImageError, RunStopped
from pipeline.generation.image_formats import restored_problem
from pipeline.generation.source_images import (
    check_scheme,
    described,
    local_path,
    missing,
    read_source,
    shown,
)
from pipeline.planning.plan import size_of

REMOTE_SAMPLE = 16
"""Remote images that are fetched."""

AT_ONCE = 8
"""Images that are opened at a time: they may be on a network."""

CHUNK = 512
"""Rows that are gathered before their images are opened."""


@dataclass
class ImageCheck:
    """Checks the images of the rows it is given.

    Attributes:
        base: the folder or URL that relative paths refer to.
        model: the sizes of images that the model makes; None if they are not known.
        local, remote: how many rows name an image of either kind; bytes within the manifest are
            local.
        fetched: how many remote ones were fetched.
        cut: of how many a part is left out, of those that were checked.
        sizes: how many there are of each width and height, of those that were checked.
        made_at: how many of these are edited at each size; counted when it is finished, as `cut`.
        unusable: how many images cannot be used, of those that were checked.
        problems: the first of them, `max_problems` at most.
    """

    base: str
    config: Config = field(default_factory=Config)
    model: ModelSizes | None = None
    max_problems: int = MAX_PROBLEMS
    local: int = 0
    remote: int = 0
    fetched: int = 0
    cut: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    made_at: Counter[Size] = field(default_factory=Counter)
    unusable: int = 0
    problems: list[Problem] = field(default_factory=list)
    _wanted: Counter[tuple[Size, Size | None]] = field(default_factory=Counter)
    _chunk: list[Row] = field(default_factory=list)
    _sample: list[tuple[int, Row]] = field(default_factory=list)
    _random: Random = field(default_factory=lambda: Random(0))
    _lock: Lock = field(default_factory=Lock)

    def add(self, row: Row) -> None:
        """Check the image of a row, if it has one; now, or together with later ones."""
        if row.image is None:
            return
        if isinstance(row.image, str) and self.is_remote(row.image):
            self._sample_remote(row)
            return
        self.local += 1
        self._chunk.append(row)
        if len(self._chunk) == CHUNK:
            self._check_chunk()

    def finish(self) -> None:
        """Check what is left, and the sample of remote images."""
        self._check_chunk()
        self.fetched = len(self._sample)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            sample = [row for _, row in sorted(self._sample, key=lambda item: item[0])]
            reasons = list(threads.map(self._remote_problem, sample))
        self._report(reasons)
        self._count_edits()
        self.problems.sort(key=lambda problem: problem.row or 0)

    def is_remote(self, source: str) -> bool:
        """Whether an image has to be fetched."""
        try:
            return local_path(source, self.base) is None
        except ImageError:
            # A file URL of another host: the local check refuses it.
            return False

    def _sample_remote(self, row: Row) -> None:
        """Reservoir sampling: every remote image is as likely to be in the sample."""
        self.remote += 1
        if len(self._sample) < REMOTE_SAMPLE:
            self._sample.append((row.number, row))
        elif (place := self._random.randrange(self.remote)) < REMOTE_SAMPLE:
            self._sample[place] = (row.number, row)

    def _check_chunk(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            self._report(threads.map(self._local_problem, self._chunk))
        self._chunk.clear()

    def _report(self, problems: Iterable[Problem | None]) -> None:
        for problem in problems:
            if problem is None:
                continue
            self.unusable += 1
            if len(self.problems) < self.max_problems:
                self.problems.append(problem)

    def problem_of(self, image: str | bytes, mask: str | None = None) -> str | None:
        """Why a local image cannot be used, or its mask if that is local, too; None if both can.

        The image is judged by its header, the mask by its pixels.
        """
        row = Row(0, "", image, (), None, None, None, mask=mask)
        problem = self._local_problem(row)
        if problem is None:
            return None
        return f"mask: {problem.message}" if problem.column == schema.MASK else problem.message

    def _local_problem(self, row: Row) -> Problem | None:
        """What is wrong with a row's local image, or with its mask if that is local, too."""
        assert row.image is not None
        try:
            size = self._local_size(row.image)
        except (ImageError, OSError) as error:
            return Problem(row.number, schema.IMAGE, str(error))
        self._count(size, size_of(row))
        if problem := self._unrestorable(row, size):
            return problem
        if row.mask is None or (isinstance(row.mask, str) and self.is_remote(row.mask)):
            return None
        return self._mask_problem(row, size)

    def _mask_problem(self, row: Row, size: Size) -> Problem | None:
        """What is wrong with the mask of an image of that size, by its pixels."""
        assert row.mask is not None
        limits, timeout_s = self.config.images, self.config.store_timeout_s
        try:
            mask = decode(read_source(row.mask, self.base, limits, timeout_s), limits.max_pixels)
        except UnreadableImageError as error:
            return Problem(row.number, schema.MASK, described(error, limits))
        except (ImageError, RunStopped) as error:
            return Problem(row.number, schema.MASK, str(error))
        try:
            self._lay(mask, size, size_of(row))
        except MaskError as error:
            name = f"image {shown(row.mask)}" if isinstance(row.mask, str) else "image"
            return Problem(row.number, schema.MASK, f"{name} {error}")
        return None

    def _lay(self, mask: Image.Image, size: Size, wanted: Size | None) -> None:
        """Lay a mask over an image of that size, as a run does.

        Args:
            wanted: at which its row wants the edit.

        Raises:
            MaskError: it does not fit, or lets nothing change.
        """
        box = wanted or self.config.size
        if box is None and self.model is not None:
            box = box_of(size, self.model, self.config.resize)
        if box is not None:
            crop, place = part_and_place(size, box, self.config.resize)
            blank = Image.new("L", (box.width, box.height))
            fit_mask(mask, FittedImage(blank, size.width, size.height, crop, place))
            return
        # Which part of it will be edited is not known.
        if problem := shape_problem(Size(*mask.size), size):
            raise MaskError(problem)
        if not has_white(mask):
            raise MaskError("has no white; paint white what may change")

    def _local_size(self, source: str | bytes) -> Size:
        """The size of a local image, by its header."""
        if isinstance(source, bytes):
            return self._header_size(io.BytesIO(source), len(source))
        return self._file_size(source)

    def _file_size(self, source: str) -> Size:
        check_scheme(source, self.base, self.config.images)
        try:
            path = local_path(source, self.base)
        except ImageError as error:
            raise ImageError(f"image {shown(source)}: {error}") from None
        assert path is not None
        try:
            # Opening a pipe could wait for ever.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode):
                    raise ImageError(f"image {shown(source)}: is not a regular file")
                return self._header_size(file, about.st_size)
        except FileNotFoundError:
            raise ImageError(missing(source, self.base)) from None
        except OSError as error:
            raise ImageError(f"image {shown(source)}: cannot be read: {error.strerror}") from None

    def _header_size(self, file: io.BufferedReader | io.BytesIO, length: int) -> Size:
        limits = self.config.images
        if length == 0:
            raise ImageError("image is empty: 0 bytes")
        if length > limits.max_bytes:
            raise ImageError(
                f"image has {length} bytes; at most {limits.max_bytes} are read (images.max_bytes)"
            )
        try:
            return Size(*upright_size(file, limits.max_pixels))
        except UnreadableImageError as error:
            raise ImageError(described(error, limits)) from None

    def _count(self, size: Size, wanted: Size | None) -> None:
        """Count an image of that size.

        Args:
            wanted: at which its row wants the edits.
        """
        with self._lock:
            self.sizes[size] += 1
            self._wanted[size, wanted or self.config.size] += 1

    def _count_edits(self) -> None:
        """Count at which sizes the images are edited, and how many are cut for that."""
        cuts = self.config.resize in ("fit", "crop")
        while self._wanted:
            (size, box), count = self._wanted.popitem()
            if box is None:
                if self.model is None:
                    continue
                box = box_of(size, self.model, self.config.resize)
            self.made_at[box] += count
            if cuts and size.width * box.height != size.height * box.width:
                self.cut += count

    def _remote_problem(self, row: Row) -> Problem | None:
        assert row.image is not None
        try:
            size = self._fetched_size(row.image)
        except (ImageError, RunStopped) as error:
            return Problem(row.number, schema.IMAGE, str(error))
        self._count(size, size_of(row))
        problem = self._unrestorable(row, size)
        if problem is not None or row.mask is None:
            return problem
        return self._mask_problem(row, size)

    def _unrestorable(self, row: Row, size: Size) -> Problem | None:
        """Why the edit of an image of that size cannot be put back to it; None if it can, or if
        nobody wants that."""
        if not self.config.restore_size:
            return None
        problem = restored_problem(size, self.config.image_format)
        if problem is None:
            return None
        name = f"image {shown(row.image)}" if isinstance(row.image, str) else "image"
        return Problem(row.number, schema.IMAGE, f"{name} {problem}")

    def _fetched_size(self, source: str | bytes) -> Size:
        limits, timeout_s = self.config.images, self.config.store_timeout_s
        data = read_source(source, self.base, limits, timeout_s)
        return self._header_size(io.BytesIO(data), len(data))
