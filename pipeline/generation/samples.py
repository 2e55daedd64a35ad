"""A batch of requests in, finished samples out: images, scores, verdicts, metadata. No files, no Ray."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from muse.emotions import Target, Taxonomy
from pipeline.config import Config
from pipeline.generation import verdicts as filters
from pipeline.generation.engine import Engine, EngineInput, EngineOutput
from pipeline.generation.finished_images import encode_image, perceptual_hash
from pipeline.generation.scores import Score, scores_of
from pipeline.generation.source_images import ImageError, open_image, read_source
from pipeline.output.run_file import RunFile
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.planning.retry_strategy import attempt_kind, next_attempt
from pipeline.storage.remote import public

DIGITS = 5
"""Decimals of stored scores."""

FETCHED_AT_ONCE = 4
"""Source images that a worker reads and decodes at a time; the largest that are allowed take much memory."""


@dataclass(frozen=True)
class Result:
    """How one request ended.

    Attributes:
        record: the metadata, with the same fields for every request (see `pipeline.output.records`).
        image: the encoded image of an accepted sample, and of a rejected one if those are kept; else None.
    """

    record: dict[str, Any]
    image: bytes | None


def provenance(run: RunFile, config: Config) -> dict[str, Any]:
    """What is the same for all samples of a run and needed to make one again."""
    return {
        "fingerprint": run.fingerprint,
        "engine": config.engine,
        "models": run.parts["models"],
        "method": asdict(config.method),
        "taxonomy": asdict(config.taxonomy),
        "dtype": config.dtype,
        "preview": config.preview,
        "preview_side": config.preview_side,
        "compile": config.compile,
        "batch_size": config.batch_size,
        "slots": config.slots,
        "threads": config.threads,
        "min_confidence": config.min_confidence,
        # As text: its keys are the user's, and a struct without fields cannot be stored.
        "label_map": json.dumps(config.label_map, sort_keys=True),
        "versions": run.parts["versions"],
    }


def blank_record(request: PlannedRequest, batch: int, shared: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is before anything was computed; `failed` fills in the reason."""
    target = Target.of(request.emotion, Taxonomy.of(shared["taxonomy"]))
    return {
        "key": request.key,
        "id": request.id or "",
        "row": request.row,
        "batch": batch,
        "status": "",
        "reason": "",
        "task": "generate" if request.image is None else "edit",
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "image": public(request.image) if isinstance(request.image, str) else "",
        "image_sha256": "",
        "emotion": target.members[0],
        "target": list(target.weights),
        "seed": request.seed,
        "candidate": request.candidate,
        **_nothing([0.0] * len(target.weights)),
        "synthetic": True,
        **shared,
        "manifest": dict(request.extra),
    }


def _nothing(scores: list[float]) -> dict[str, Any]:
    """The fields of a record that drawing fills in."""
    return {
        "rung": "",
        "tried": 0,
        "spent": 0,
        "together": 0,
        "judge": scores,
        "judge_confidence": 0.0,
        "guide": scores,
        "guide_confidence": 0.0,
        "similarity": 0.0,
        "looks": "",
        "inherent": "",
        "start_step": -1,
        "iterations": 0,
        "gradients": 0,
        "glances": 0,
        "forwards": 0,
        "trace_rungs": [],
        "trace_costs": [],
        "trace_similarity": [],
        "trace_loss": [],
        "trace_confidence": [],
    }


def failed(request: PlannedRequest, batch: int, shared: Mapping[str, Any], reason: str) -> Result:
    record = blank_record(request, batch, shared)
    return Result({**record, "status": filters.FAILED, "reason": reason}, None)


def unwanted(record: Mapping[str, Any], reason: str) -> Result:
    """The refusal of a request as if it had never been drawn, so that it is the same whether it was or not."""
    scores = [0.0] * len(record["target"])
    nothing = {**_nothing(scores), "seed": -1, "candidate": 0}
    kept = {name: value for name, value in record.items() if name != "scores"}
    return Result({**kept, **nothing, "status": filters.REJECTED, "reason": reason}, None)


class Maker:
    """Makes batches with an engine, and scores what it draws with the run's further filters."""

    def __init__(
        self,
        engine: Engine,
        scores: Mapping[str, Score],
        config: Config,
        shared: Mapping[str, Any],
        base: str,
    ):
        self.engine, self.scores, self.config, self.shared, self.base = (
            engine,
            scores,
            config,
            shared,
            base,
        )

    def make(self, batch: Batch) -> list[Result]:
        """One result per request, in their order. A source image that cannot be read fails alone.

        Rejected requests form the next, smaller batch, each tried as its strategy says, while candidates are left.
        """
        results: dict[str, Result] = {}
        asked: list[EngineInput] = []
        # They may lie far away, and wait for each other's answers otherwise.
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as threads:
            for planned, opened in zip(
                batch.requests, threads.map(self._open, batch.requests), strict=True
            ):
                if isinstance(opened, EngineInput):
                    asked.append(opened)
                else:
                    results[planned.key] = failed(planned, batch.number, self.shared, str(opened))
        first = {planned.key: planned.seed for planned in batch.requests}
        for _ in range(self.config.candidates if asked else 0):
            for each, drawn in zip(asked, self.engine.draw(asked), strict=True):
                key, new = each.planned.key, self._finish(batch.number, each, drawn, len(asked))
                results[key] = better(results[key], new) if key in results else new
            rejected = [
                each
                for each in asked
                if results[each.planned.key].record["status"] == filters.REJECTED
            ]
            asked = [
                replace(
                    each,
                    planned=next_attempt(each.planned, first[each.planned.key], self.config.seed),
                )
                for each in rejected
            ]
            if not asked:
                break
        return [results[planned.key] for planned in batch.requests]

    def _open(self, planned: PlannedRequest) -> EngineInput | ImageError:
        """The request with its source image, or what is wrong with that."""
        image, digest = None, ""
        if planned.image is not None:
            try:
                data = read_source(
                    planned.image, self.base, self.config.images, self.config.store_timeout_s
                )
                image = open_image(data, self.engine.side, self.config.images).image
            except ImageError as error:
                return error
            digest = hashlib.sha256(data).hexdigest()
        return EngineInput(planned, Target.of(planned.emotion, self.config.taxonomy), image, digest)

    def _finish(
        self, number: int, asked: EngineInput, drawn: EngineOutput, together: int
    ) -> Result:
        """The verdict and the record of one request that was drawn with others, `together` in all."""
        blind = _unreadable(drawn)
        if drawn.image is None or blind:
            result = failed(asked.planned, number, self.shared, drawn.failure or blind)
            return replace(result, record={**result.record, **_tried(asked.planned, 0)})
        trace = drawn.trace
        record = blank_record(asked.planned, number, self.shared) | {
            **_tried(asked.planned, trace["nfe"] if trace else 0),
            "image_sha256": asked.source,
            "judge": _rounded(drawn.judge.probabilities),
            "judge_confidence": round(drawn.judge.confidence, DIGITS),
            "guide": _rounded(drawn.guide.probabilities),
            "guide_confidence": round(drawn.guide.confidence, DIGITS),
            "similarity": round(drawn.similarity, DIGITS),
            "looks": perceptual_hash(drawn.image),
            "together": together,
        }
        if trace:
            record |= {
                "inherent": trace["inherent"] or "",
                "start_step": -1 if trace["start_step"] is None else trace["start_step"],
                "iterations": trace["updates"],
                "gradients": trace["guide_gradients"],
                "glances": trace["guide_forwards"],
                "forwards": trace["nfe"],
                "trace_similarity": _rounded(trace["similarity"]),
                "trace_loss": _rounded(trace["loss"]),
                "trace_confidence": _rounded(trace["confidence"]),
            }
        if self.scores:
            record["scores"] = scores_of(self.scores, drawn.image, record)
        verdict = filters.decide(record, self.config)
        record |= {"status": verdict.status, "reason": verdict.reason}
        kept = verdict.status == filters.ACCEPTED or self.config.keep_rejected
        return Result(record, encode_image(drawn.image, self.config.image_format) if kept else None)


def _unreadable(drawn: EngineOutput) -> str:
    """Which score of an image is no number; empty if all are."""
    seen = {
        "judge": drawn.judge.probabilities,
        "guide": drawn.guide.probabilities,
        "similarity": (drawn.similarity,),
    }
    for name, values in seen.items():
        if not all(map(math.isfinite, values)):
            return f"the {name} gave a score that is no number"
    return ""


def _tried(planned: PlannedRequest, cost: int) -> dict[str, Any]:
    """What a record tells of a single try, at so many forwards."""
    rung = attempt_kind(planned.strategy, planned.candidate)
    return {"rung": rung, "tried": 1, "spent": cost, "trace_rungs": [rung], "trace_costs": [cost]}


def better(kept: Result, new: Result) -> Result:
    """The better of two candidates of a request: by its verdict, then by the judge. It tells the cost of both."""
    told = {
        name: kept.record[name] + new.record[name]
        for name in ("tried", "spent", "trace_rungs", "trace_costs")
    }
    best = max(kept, new, key=lambda result: _rank(result.record))
    return replace(best, record={**best.record, **told})


def _rank(record: Mapping[str, Any]) -> tuple[int, float]:
    return (filters.FAILED, filters.REJECTED, filters.ACCEPTED).index(record["status"]), record[
        "judge_confidence"
    ]


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
