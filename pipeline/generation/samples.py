"""A batch of requests in, finished samples out: images, scores, verdicts. No files, no Ray."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from PIL import Image

from muse.emotions import Target
from muse.fitting import FittedImage
from muse.images import decode
from muse.masks import put_back_edit
from muse.sizes import Size, by_size
from pipeline.config import Config
from pipeline.generation.columns import columns_of, invalid_score
from pipeline.generation.engines.engine import Engine, EngineInput, EngineOutput
from pipeline.generation.finished_images import SyntheticSource, encode_image, perceptual_hash
from pipeline.generation.image_formats import restored_problem
from pipeline.generation.results import Result, blank_record, failed
from pipeline.generation.scores import Score, scores_of
from pipeline.generation.source_images import (
    ImageError,
    changed,
    open_image,
    open_mask,
    read_source,
)
from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED, decide
from pipeline.output.records import Record
from pipeline.output.rows import RowLayout
from pipeline.planning.plan import Batch, PlannedRequest, next_candidate

MAX_SOURCE_READERS = 4
"""Source images that a worker reads and decodes at a time; the largest allowed take much memory."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a request: its record, and its encoded image if that is kept."""

    record: Record
    image: bytes | None = None


class BatchMaker:
    """Makes batches with an engine, and scores its images with the run's filters.

    Args:
        scores: the run's filters, by name.
        layout: of the rows of the metadata.
        base: the folder that relative paths of source images refer to.
    """

    def __init__(
        self,
        engine: Engine,
        scores: Mapping[str, Score],
        config: Config,
        layout: RowLayout,
        base: str,
    ):
        self.engine, self.scores, self.config = engine, scores, config
        self.layout, self.base = layout, base

    def make(self, batch: Batch) -> list[Result]:
        """One result for each request, in their order.

        A source image that cannot be read fails alone. Rejected requests form the next, smaller
        batch, with their next seed, while candidates are left.
        """
        first_seeds = {planned.key: planned.seed for planned in batch.requests}
        attempts: dict[str, Attempt] = {}
        inputs: list[EngineInput] = []
        for planned, opened in self._open_all(batch):
            if isinstance(opened, EngineInput):
                inputs.append(opened)
            else:
                attempts[planned.key] = Attempt(opened)
        for _ in range(self.config.candidates):
            if not inputs:
                break
            # Images of one size are made together.
            own = self.engine.sizes.own
            for places in by_size([request.size or own for request in inputs]):
                together = [inputs[place] for place in places]
                for request, output in zip(together, self.engine.draw(together), strict=True):
                    key = request.planned.key
                    attempt = self._finish(batch.number, request, output, len(together))
                    attempts[key] = better(attempts[key], attempt) if key in attempts else attempt
            rejected = [r for r in inputs if attempts[r.planned.key].record.status == REJECTED]
            inputs = [self._next_attempt(r, first_seeds[r.planned.key]) for r in rejected]
        ended = [attempts[planned.key] for planned in batch.requests]
        return [Result(self.layout.row(attempt.record), attempt.image) for attempt in ended]

    def failed(self, request: PlannedRequest, batch: int, reason: str) -> Result:
        """The result of a request for which there is no image."""
        return failed(request, batch, self.config.taxonomy, self.layout, reason)

    def _open_all(self, batch: Batch) -> Iterator[tuple[PlannedRequest, EngineInput | Record]]:
        """Every request with its opened source image, or with the record of its failure.

        On threads: the images may be far away, and would wait for each other otherwise.
        """
        failures = [blank_record(r, batch.number, self.config.taxonomy) for r in batch.requests]
        with ThreadPoolExecutor(MAX_SOURCE_READERS) as threads:
            opened = threads.map(self._open, batch.requests, failures)
            yield from zip(batch.requests, opened, strict=True)

    def _open(self, planned: PlannedRequest, failure: Record) -> EngineInput | Record:
        source, digest, size, data = None, None, planned.size, b""
        sizes = self.engine.sizes
        if size is not None and (problem := sizes.size_problem(size)):
            return replace(failure, reason=problem)
        if planned.image is not None:
            try:
                data, digest = self._read(planned.image, planned.image_sha256)
                source = open_image(data, sizes, size, self.config.resize, self.config.images)
            except ImageError as error:
                # An image that changed is compared with what it was at first, also by later runs.
                return replace(failure, reason=str(error), source_sha256=planned.image_sha256)
            whole = Size(source.width, source.height)
            problem = restored_problem(whole, self.config.image_format)
            if problem is not None and self.config.restore_size:
                return replace(failure, reason=f"image {problem}", source_sha256=digest)
            size = Size(*source.image.size)
        target = Target.of(planned.emotion, self.config.taxonomy)
        original = data if self.config.restore_size else b""
        opened = EngineInput(planned, target, source, digest, size or sizes.own, original)
        return opened if source is None else self._with_mask(opened, source, failure)

    def _read(self, source: str | bytes, before: str | None) -> tuple[bytes, str]:
        """The encoded bytes of a source image or of a mask, and their SHA-256.

        Args:
            before: its SHA-256 when the run first read it; None if it has not yet.

        Raises:
            ImageError: it cannot be read, or is not what it was.
        """
        data = read_source(source, self.base, self.config.images, self.config.store_timeout_s)
        digest = hashlib.sha256(data).hexdigest()
        if before is not None and before != digest:
            raise ImageError(changed(str(source), before, digest))
        return data, digest

    def _with_mask(
        self, request: EngineInput, source: FittedImage, failure: Record
    ) -> EngineInput | Record:
        """An edit with its mask, if it has one, opened over its source image."""
        if (place := request.planned.mask) is None:
            return request
        before = request.planned.mask_sha256
        try:
            data, digest = self._read(place, before)
            # Unchanged, but not for this image: whoever fixes that may replace it.
            before = None
            mask = open_mask(data, source, self.config.images)
        except ImageError as error:
            return replace(failure, reason=f"mask: {error}", mask_sha256=before)
        original = data if self.config.restore_size else b""
        return replace(request, mask=mask, mask_sha256=digest, original_mask=original)

    def _next_attempt(self, request: EngineInput, first_seed: int) -> EngineInput:
        following = next_candidate(request.planned, first_seed, self.config.seed)
        return replace(request, planned=following)

    def _finish(
        self, number: int, request: EngineInput, output: EngineOutput, micro_batch_size: int
    ) -> Attempt:
        """The record and the verdict of one request.

        Args:
            number: of the batch.
            micro_batch_size: requests that were drawn together.
        """
        nfe = output.trace.nfe if output.trace else 0
        record = replace(
            blank_record(request.planned, number, self.config.taxonomy),
            attempts=1,
            source_sha256=request.source_sha256,
            mask_sha256=request.mask_sha256,
        )
        if failure := output.failure or invalid_score(output):
            return Attempt(replace(record, reason=failure, trace_nfe=(0,)))
        assert output.image is not None, "an engine gave neither an image nor a failure"
        record = replace(
            record,
            total_nfe=nfe,
            trace_nfe=(nfe,),
            micro_batch_size=micro_batch_size,
            phash=perceptual_hash(output.image),
            **columns_of(request, output, self.config),
        )
        if self.scores:
            scores = scores_of(self.scores, output.image, self.layout.row(record))
            record = replace(record, scores=scores)
        verdict = decide(self.layout.row(record), self.layout, self.config)
        record = replace(record, status=verdict.status, reason=verdict.reason)
        if verdict.status != ACCEPTED and not self.config.keep_rejected:
            return Attempt(record)
        source = SyntheticSource(record.key, is_edit=request.source is not None)
        finished = self._put_back(output.image, request)
        image = encode_image(finished, self.config.image_format, source)
        return Attempt(record, image)

    def _put_back(self, image: Image.Image, request: EngineInput) -> Image.Image:
        """An edit at the size of its source image, if the settings ask for that."""
        if request.source is None or not self.config.restore_size:
            return image
        # Decoded again, because all source images of a batch would take much memory.
        original = decode(request.original)
        mask = decode(request.original_mask) if request.original_mask else None
        return put_back_edit(image, request.source, original, mask)


def better(kept: Attempt, new: Attempt) -> Attempt:
    """The better of two attempts, by verdict, then by the judge; with the cost of both."""
    total = {
        name: getattr(kept.record, name) + getattr(new.record, name)
        for name in ("attempts", "total_nfe", "trace_nfe")
    }
    best = max(kept, new, key=_rank)
    return replace(best, record=replace(best.record, **total))


def _rank(attempt: Attempt) -> tuple[int, float]:
    order = (FAILED, REJECTED, ACCEPTED)
    return order.index(attempt.record.status), attempt.record.judge_confidence or 0.0
