"""A batch of requests in, finished samples out: images, scores, verdicts, metadata. No files, no Ray."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from muse.emotions import Target
from pipeline import __version__, filters
from pipeline.config import Config
from pipeline.images import ImageError, encode_image, open_source, to_tensor
from pipeline.models import Loaded, Model
from pipeline.plan import Batch, Planned
from pipeline.remote import public

DIGITS = 5
"""Decimals of stored scores."""


@dataclass(frozen=True)
class Result:
    """How one request ended.

    Attributes:
        record: the metadata, with the same fields for every request (see `pipeline.records`).
        image: the encoded image of an accepted sample, else None.
    """

    record: dict[str, Any]
    image: bytes | None


def versions() -> dict[str, str]:
    """The software that the bytes depend on."""
    packages = {name: version(name) for name in ("torch", "diffusers", "transformers", "pillow", "numpy")}
    return {"muse-batch": __version__, "python": platform.python_version(), **packages}


def provenance(models: Mapping[str, Model], config: Config, fingerprint: str) -> dict[str, Any]:
    """What is the same for all samples of a run and needed to make one again."""
    return {
        "fingerprint": fingerprint,
        "models": {role: {"name": model.name, "sha256": model.sha256} for role, model in models.items()},
        "method": asdict(config.method),
        "batch_size": config.batch_size,
        "threads": config.threads,
        "min_confidence": config.min_confidence,
        "versions": versions(),
    }


def blank_record(request: Planned, batch: int, shared: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is before anything was computed; `failed` fills in the reason."""
    target = Target.of(request.emotion)
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
        "emotion": target.members[0],
        "target": list(target.weights),
        "seed": request.seed,
        "candidate": request.candidate,
        "judge": [0.0] * len(target.weights),
        "judge_confidence": 0.0,
        "guide": [0.0] * len(target.weights),
        "guide_confidence": 0.0,
        "similarity": 0.0,
        "inherent": "",
        "start_step": -1,
        "iterations": 0,
        "forwards": 0,
        "trace_similarity": [],
        "trace_loss": [],
        "trace_confidence": [],
        "synthetic": True,
        **shared,
        "manifest": dict(request.extra),
    }


def failed(request: Planned, batch: int, shared: Mapping[str, Any], reason: str) -> Result:
    record = blank_record(request, batch, shared)
    return Result({**record, "status": filters.FAILED, "reason": reason}, None)


class Maker:
    """Makes batches with loaded models."""

    def __init__(self, loaded: Loaded, config: Config, shared: Mapping[str, Any], base: str):
        self.loaded, self.config, self.shared, self.base = loaded, config, shared, base

    def make(self, batch: Batch) -> list[Result]:
        """One result per request, in their order. A source image that cannot be read fails alone."""
        from muse.engine import Request

        results: dict[str, Result] = {}
        requests: list[tuple[Planned, Request]] = []
        for planned in batch.requests:
            image = None
            try:
                if planned.image is not None:
                    image = to_tensor(open_source(planned.image, self.base, self.loaded.side))
            except ImageError as error:
                results[planned.key] = failed(planned, batch.number, self.shared, str(error))
                continue
            target = Target.of(planned.emotion)
            requests.append((planned, Request(planned.prompt, target, planned.seed, planned.negative_prompt, image)))
        if requests:
            for result in self._finish(batch.number, requests):
                results[result.record["key"]] = result
        return [results[planned.key] for planned in batch.requests]

    def _finish(self, number: int, requests: Sequence[tuple[Planned, Any]]) -> list[Result]:
        import torch
        from PIL import Image

        from muse.similarity import similarity

        samples = self.loaded.engine.run([request for _, request in requests])
        sound = [i for i, sample in enumerate(samples) if sample.pixels is not None]
        scores: dict[int, tuple[list[float], list[float], float]] = {}
        if sound:
            with torch.inference_mode():
                # Judged is what is stored: the rounded picture, not the decoder's floats.
                stack = torch.stack([samples[i].pixels for i in sound]).to(self.loaded.device)
                pixels = stack.permute(0, 3, 1, 2).float() / 255
                judged = self.loaded.judge.logits(pixels).softmax(-1).tolist()
                guided = self.loaded.guide.logits(pixels).softmax(-1).tolist()
                texts = self.loaded.clip.text([requests[i][0].prompt for i in sound])
                alike = similarity(self.loaded.clip.image(pixels), texts).tolist()
            scores = {i: (judged[k], guided[k], alike[k]) for k, i in enumerate(sound)}
        results = []
        for i, ((planned, request), sample) in enumerate(zip(requests, samples, strict=True)):
            if sample.pixels is None:
                results.append(failed(planned, number, self.shared, sample.failure or "no image"))
                continue
            by_judge, by_guide, alike_i = scores[i]
            verdict = filters.judge(request.target, by_judge, self.config.min_confidence)
            trace = sample.trace
            record = blank_record(planned, number, self.shared) | {
                "status": verdict.status,
                "reason": verdict.reason,
                "judge": _rounded(by_judge),
                "judge_confidence": round(verdict.confidence, DIGITS),
                "guide": _rounded(by_guide),
                "guide_confidence": round(request.target.confidence(by_guide), DIGITS),
                "similarity": round(alike_i, DIGITS),
                "inherent": trace.inherent or "",
                "start_step": -1 if trace.start_step is None else trace.start_step,
                "iterations": trace.iterations,
                "forwards": trace.forwards,
                "trace_similarity": _rounded(trace.similarity),
                "trace_loss": _rounded(trace.loss),
                "trace_confidence": _rounded(trace.confidence),
            }
            accepted = verdict.status == filters.ACCEPTED
            picture = Image.fromarray(sample.pixels.numpy()) if accepted else None
            results.append(Result(record, encode_image(picture, self.config.image_format) if picture else None))
        return results


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
