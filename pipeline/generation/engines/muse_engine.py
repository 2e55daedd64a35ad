"""The engine of a real run, as a worker holds it: MUSE, and the models that score its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from muse.images import to_tensor
from muse.masks import mask_tensor
from muse.sizes import ModelSizes, Size
from pipeline.generation.engines.engine import EngineInput, EngineOutput, PromptReading, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from muse.classifiers import EmotionClassifier
    from muse.classifiers.clip import ClipSimilarity
    from muse.emotions import Target
    from muse.emotions.probabilities import Probabilities
    from muse.engine.engine import MuseEngine
    from muse.request import Request, Sample, Trace


@dataclass(frozen=True)
class ScoredImage:
    """The scores of one finished image."""

    judge: Scores
    guide: Scores
    similarity: float
    source_similarity: float | None


@dataclass(frozen=True)
class ScoringMuseEngine:
    """MUSE with the models that score its images; an `Engine`.

    Attributes:
        engine: makes the images.
        guide, judge, content_judge: score what was made.
        device: of all of them.
        sizes: of the images that it makes.
        memory: the level of `muse.diffusion.memory` under which the model works.
        compiling: whether the network is compiled, and why (`muse.diffusion.compiling`).
    """

    engine: MuseEngine
    guide: EmotionClassifier
    judge: EmotionClassifier
    content_judge: ClipSimilarity
    device: str
    sizes: ModelSizes
    memory: str = "high"
    compiling: str = ""

    @property
    def dtype(self) -> str:
        """Of the weights of the diffusion model's network, by its name in torch."""
        weight = next(self.engine.setup.backbone.network.parameters())
        return str(weight.dtype).removeprefix("torch.")

    def draw(self, requests: Sequence[EngineInput]) -> list[EngineOutput]:
        """Make all requests as one batch, and score them."""
        samples = self.engine.run([as_request(request) for request in requests])
        made = [i for i, sample in enumerate(samples) if sample.pixels is not None]
        scored = self._score([samples[i] for i in made], [requests[i] for i in made])
        scores = dict(zip(made, scored, strict=True))
        outputs = []
        for i, (request, sample) in enumerate(zip(requests, samples, strict=True)):
            output = _output(sample, scores.get(i))
            if output.image is not None:
                output = replace(output, reading=self._reading(request, sample.trace))
            outputs.append(output)
        return outputs

    def try_memory(self, count: int, size: Size) -> None:
        """See `MuseEngine.try_memory`."""
        self.engine.try_memory(count, size)

    def _reading(self, request: EngineInput, trace: Trace) -> PromptReading:
        """How the prompts of an image were read."""
        from muse.guidance.windows import windows_of

        setup = self.engine.setup
        read = setup.as_read(as_request(request))
        windows = windows_of(setup.method, setup.backbone.text.tokenizers, [read])
        # What begins without guidance and never gets any is made of the prompt alone.
        target = None if trace.start_step is None else request.target
        lost_of_negative = None
        if read.negative_prompt is not None:
            lost_of_negative = self._lost(read.negative_prompt, None)
        lost = self._lost(read.prompt, target)
        return PromptReading(lost, lost_of_negative, 1 if windows is None else windows[0])

    def _lost(self, prompt: str, target: Target | None) -> int:
        """Tokens that an encoder leaves out which should read all, the most that any does."""
        from muse.guidance.tokens import lost_tokens

        method, lost = self.engine.setup.method, 0
        # In windows, no prompt is too long.
        if method.long_prompts != "truncate":
            return 0
        count, suffix = method.tokens, method.prompt_suffix
        for reader in self.engine.setup.backbone.text.readers:
            if reader.whole:
                appended = target if reader.takes_tokens else None
                lost = max(lost, lost_tokens(reader.tokenizer, prompt, appended, count, suffix))
        return lost

    def _score(
        self, samples: Sequence[Sample], requests: Sequence[EngineInput]
    ) -> list[ScoredImage]:
        """Scores of the rounded pixels, as they are stored, not of the decoder's floats."""
        import torch

        from muse.classifiers.clip import similarity

        if not samples:
            return []
        with torch.inference_mode():
            stack = torch.stack([sample.pixels for sample in samples]).to(self.device)
            pixels = stack.permute(0, 3, 1, 2).float() / 255
            targets = [request.target for request in requests]
            judge = _scores(self.judge.probs(pixels), targets)
            guide = _scores(self.guide.probs(pixels), targets)
            texts = self.content_judge.text([request.planned.prompt for request in requests])
            embeddings = self.content_judge.image(pixels)
            similarities = similarity(embeddings, texts).tolist()
            to_sources = self._source_similarities(embeddings, requests)
        scores = zip(judge, guide, similarities, to_sources, strict=True)
        return [ScoredImage(*row) for row in scores]

    def _source_similarities(
        self, embeddings: Tensor, requests: Sequence[EngineInput]
    ) -> list[float | None]:
        """The cosine of each edit and its source image; `embeddings` (b, d) are unit vectors."""
        import torch

        from muse.classifiers.clip import similarity

        sources = {i: r.image for i, r in enumerate(requests) if r.image is not None}
        cosines: list[float | None] = [None] * len(requests)
        if sources:
            pixels = torch.stack([to_tensor(image) for image in sources.values()])
            source_embeddings = self.content_judge.image(pixels.to(self.device))
            edited = embeddings[list(sources)]
            for i, cosine in zip(sources, similarity(edited, source_embeddings), strict=True):
                cosines[i] = float(cosine)
        return cosines


def _scores(probabilities: Probabilities, targets: Sequence[Target]) -> list[Scores]:
    """A classifier's scores of a batch; `probabilities.p` has shape (b, labels)."""
    scores = []
    for row, target in zip(probabilities.p.tolist(), targets, strict=True):
        scores.append(Scores(row, target.confidence(row, probabilities.multi_label)))
    return scores


def _output(sample: Sample, scored: ScoredImage | None) -> EngineOutput:
    from PIL import Image

    if sample.pixels is None or scored is None:
        return EngineOutput(None, failure=sample.failure or "no image")
    image = Image.fromarray(sample.pixels.numpy())
    return EngineOutput(
        image,
        scored.judge,
        scored.guide,
        scored.similarity,
        scored.source_similarity,
        trace=sample.trace,
    )


def as_request(given: EngineInput) -> Request:
    """What the engine of the method makes of an input."""
    from muse.request import Request

    planned = given.planned
    image = None if given.image is None else to_tensor(given.image)
    mask = None if given.mask is None else mask_tensor(given.mask)
    prompt, negative = planned.prompt, planned.negative_prompt
    return Request(prompt, given.target, planned.seed, negative, image, given.size, mask)
