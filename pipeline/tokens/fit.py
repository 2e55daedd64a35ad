"""`muse-batch tokens fit`: the tokens that MUSE finds for a few prompts, as a start for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from manifests.read import rows_of
from muse.emotions import Target
from muse.guidance.fitted_tokens_file import NO_FITTED_TOKENS, TokensFile
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation.engines.engine import EngineInput, EngineOutput
from pipeline.models.locate import Model, locate
from pipeline.models.method_fit import model_warnings
from pipeline.planning.manifest_input import (
    OnProgress,
    checked_manifest,
    fetched_manifest,
    folder_of,
    no_progress,
)
from pipeline.planning.plan import PlannedRequest, next_candidate, plan_requests
from pipeline.planning.row_warnings import RowWarnings
from pipeline.storage.files import write_bytes
from pipeline.storage.targets import refuse_target, why_not_writable
from pipeline.watch.log_output import logger

SUFFIX = ".safetensors"
MIN_TRIED = 8
"""Images by fitted tokens alone that tell whether these suffice."""

Warn = Callable[[str], None]


@dataclass(frozen=True)
class FitResult:
    """What a fit made, by emotion.

    Attributes:
        images: from the words, each with tokens of its own.
        used: those of them whose tokens satisfied the guide with the content kept. The fitted
            tokens are their mean.
        alone: the share of further images, by the fitted tokens without any update, that a run
            would accept by its judge.
    """

    images: Mapping[str, int]
    used: Mapping[str, int]
    alone: Mapping[str, float]


def fit_tokens(
    manifest_path: str,
    file: Path,
    config: Config,
    count: int,
    warn: Warn,
    on_rows: OnProgress = no_progress,
    on_images: OnProgress = no_progress,
) -> FitResult:
    """Make images of the prompts from the words of their emotions, and write the mean tokens.

    Half as many further ones show how often the mean suffices alone: a run would accept them by its
    judge and `min_similarity`. Images of the manifest are not read: what generating finds serves
    edits, too.

    Args:
        file: to write; a new one.
        count: images of each emotion that the tokens are fitted on, >= 1.
        on_rows, on_images: are called with how many rows of the manifest were checked or images
            made, and of how many.

    Raises:
        ManifestError, UserError: a mistake of the user, found before a model is loaded; or no
            image satisfied the guide.
    """
    _refuse_file(file)
    _refuse_settings(config)
    if unread := [name for name in ("fitted_tokens", "limit") if name in config.model_fields_set]:
        warn(
            f"{', '.join(unread)}: no effect: tokens are fitted from words, on all of the manifest"
        )
    config = config.replace(fitted_tokens=NO_FITTED_TOKENS, limit=0)
    with fetched_manifest(manifest_path, config, warn) as local:
        found = RowWarnings(config, folder_of(manifest_path))
        manifest = checked_manifest(local, config, found.add, on_progress=on_rows)
        planned = plan_requests(rows_of(manifest, config.taxonomy.labels), config)
        chosen = chosen_requests(planned, count + (count + 1) // 2, config.seed)
        of_rows = found.listed()
    if not chosen:
        raise UserError(f"{manifest_path} has no row of a single emotion; give one with such rows")
    models = locate(config, on_warning=warn)
    paths = (models[role].path for role in ("model", "similarity"))
    for warning in (*of_rows, *model_warnings(config, *paths)):
        warn(warning)
    import torch

    try:
        tokens, result = _fit(models, config, chosen, count, on_images)
    except torch.OutOfMemoryError:
        raise UserError(
            f"{config.source_of('batch_size')}: {config.batch_size} images together do not fit "
            "into the memory of the GPU; give a smaller --batch-size"
        ) from None
    for warning in _told_of(tokens, chosen, config, count):
        warn(warning)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, tokens.as_bytes())
    return result


def _told_of(
    tokens: TokensFile, chosen: Mapping[str, object], config: Config, count: int
) -> Iterator[str]:
    """What is missing in fitted tokens."""
    absent = [name for name in config.taxonomy.labels if name not in chosen]
    if absent:
        yield f"the manifest has no row of {', '.join(absent)} alone, so no tokens for them"
    if failed := [name for name in chosen if name not in tokens.vectors]:
        yield (
            f"no image of {', '.join(failed)} satisfied the guide: requests for them start from "
            "the word; a larger --count or other prompts may help"
        )
    if not tokens.alone:
        yield (
            f"{(count + 1) // 2} images by the fitted tokens of an emotion are too few to tell "
            f"whether these suffice, so they will be updated for each image; give --count "
            f"{2 * MIN_TRIED} or more"
        )


def chosen_requests(
    planned: Iterable[PlannedRequest], count: int, run_seed: int
) -> dict[str, list[PlannedRequest]]:
    """`count` requests of each single emotion: the first, and where there are fewer, the same with
    other seeds."""
    chosen: dict[str, list[PlannedRequest]] = {}
    for request in planned:
        if len(request.emotion) == 1:
            of_emotion = chosen.setdefault(emotion_of(request), [])
            if len(of_emotion) < count:
                of_emotion.append(request)
    for requests in chosen.values():
        first_seeds = [request.seed for request in requests]
        for number in range(count - len(requests)):
            again = requests[number]
            first = first_seeds[number % len(first_seeds)]
            requests.append(next_candidate(again, first, run_seed))
    return chosen


def _refuse_file(file: Path) -> None:
    """
    Raises:
        UserError: it is there, or not where or what it can be.
    """
    if file.suffix != SUFFIX:
        raise UserError(f"--output {file}: give a file that ends in {SUFFIX}")
    if file.exists() or file.is_symlink():
        raise UserError(f"--output {file} exists already; give a new file, or remove it")
    for place in (file, *file.parents):
        refuse_target(place)
        if place != file and place.exists() and not place.is_dir():
            raise UserError(f"--output {file}: {place} is no folder")
    if cause := why_not_writable(file.parent):
        raise UserError(f"--output {file} cannot be written ({cause}); give a place that can be")


def _refuse_settings(config: Config) -> None:
    """
    Raises:
        UserError: nothing would be optimised.
    """
    if config.engine == "null":
        raise UserError("the null engine has no tokens; leave --engine out")
    method = config.method
    if method.timing == "never" or not method.max_updates_per_step or not method.guidance_end:
        raise UserError(
            f"{config.source_of('method')}: with these settings tokens are never updated; leave "
            "out method.timing, method.max_updates_per_step and method.guidance_end"
        )


def _fit(
    models: Mapping[str, Model],
    config: Config,
    chosen: Mapping[str, Sequence[PlannedRequest]],
    count: int,
    on_images: OnProgress,
) -> tuple[TokensFile, FitResult]:
    """The mean tokens of the first `count` images of each emotion, tried on the others.

    Raises:
        UserError: no image satisfied the guide.
    """
    import torch

    from muse.engine.engine import MuseEngine
    from muse.guidance.fitted_tokens import FittedTokens
    from pipeline.generation.engines.load import load_engine
    from pipeline.generation.engines.muse_engine import ScoringMuseEngine, as_request

    loaded = load_engine(models, config, torch.cuda.is_available())
    assert isinstance(loaded, ScoringMuseEngine), "the null engine is refused"
    made, wanted = 0, sum(map(len, chosen.values()))
    logger.info("muse-batch: fitting tokens on %s images at most", f"{wanted:,}")

    # Each image from the word, with tokens of its own.
    fitting = [request for requests in chosen.values() for request in requests[:count]]
    found = []
    for batch in _batches(fitting, config):
        samples = loaded.engine.run([as_request(each) for each in batch])
        for each, sample in zip(batch, samples, strict=True):
            if sample.tokens is not None:
                found.append((emotion_of(each.planned), sample.tokens))
        made += len(batch)
        on_images(made, wanted)
    if not found:
        raise UserError(
            f"in none of {len(fitting)} images the guide was confident of the emotion with the "
            "content kept; give a larger --count or other prompts, or more updates "
            "(method.max_updates_per_step)"
        )
    mean = FittedTokens.mean_of(found)

    # Others by the mean, which is not updated if it is said to suffice.
    trying = [request for name in mean.vectors for request in chosen[name][count:]]
    setup = loaded.engine.setup
    setup.backbone.text.fitted = FittedTokens(mean.vectors, dict.fromkeys(mean.vectors, 1.0))
    method = config.method.replace(updates="auto", initial_scale=1.0)
    alone_engine = MuseEngine(setup.backbone, setup.guide, setup.clip, method, config.slots)
    loaded = replace(loaded, engine=alone_engine)
    accepted = Counter[str]()
    for batch in _batches(trying, config):
        for each, output in zip(batch, loaded.draw(batch), strict=True):
            accepted[emotion_of(each.planned)] += _is_accepted(output, config)
        made += len(batch)
        on_images(made, wanted)
    on_images(wanted, wanted)

    tried = Counter(map(emotion_of, trying))
    enough = [name for name in mean.vectors if tried[name] >= MIN_TRIED]
    alone = {name: accepted[name] / tried[name] for name in enough}
    vectors = {name: tensor.numpy() for name, tensor in mean.vectors.items()}
    used = Counter(name for name, _ in found)
    return TokensFile(vectors, alone), FitResult(Counter(map(emotion_of, fitting)), used, alone)


def _batches(requests: Sequence[PlannedRequest], config: Config) -> Iterator[list[EngineInput]]:
    """What is generated of planned requests, at the model's own size."""
    for start in range(0, len(requests), config.batch_size):
        batch = []
        for planned in requests[start : start + config.batch_size]:
            plain = replace(planned, image=None, mask=None, size=None)
            batch.append(EngineInput(plain, Target.of(planned.emotion, config.taxonomy), None))
        yield batch


def _is_accepted(output: EngineOutput, config: Config) -> bool:
    """Whether a run would accept an image by its judge and its similarity."""
    if output.image is None:
        return False
    is_confirmed = output.judge.confidence >= config.min_confidence
    return is_confirmed and output.similarity >= config.min_similarity


def emotion_of(request: PlannedRequest) -> str:
    """The only emotion of a request."""
    (emotion,) = request.emotion
    return emotion
