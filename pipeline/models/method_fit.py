"""Whether the settings of a run fit its diffusion model, and what of them has no effect there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muse.diffusion.files.hub import configs_of, family_of, part_config
from muse.diffusion.files.model_files import READ_WINDOWS
from muse.diffusion.files.part_fit import clip_skip_problem
from muse.diffusion.model_facts import ModelFacts
from muse.guidance.content_levels import ContentLevels
from muse.guidance.fitted_tokens_file import REMEDY, TokensFile, place_of, unread_warning
from muse.guidance.timing import Threshold, timing_of
from pipeline.config import ANY_SIMILARITY, Config
from pipeline.errors import UserError


def check_method(model: Path, config: Config) -> None:
    """Refuse settings with which a diffusion model cannot be run: by its sampler (see
    `hub.configs_of`), by how it reads prompts, or by the layers that are left out.

    Raises:
        UserError: with the samplers or settings that can.
    """
    from muse.diffusion.schedule.own_scheduler import own_problems
    from muse.diffusion.schedule.scheduler_options import check_prediction
    from muse.diffusion.schedule.schedules import schedule_of
    from muse.guidance.windows import NO_WINDOWS

    method = config.method
    try:
        scheduler = configs_of(model)[1]
        # That of a folder was looked at with its other parts.
        if model.is_file() and (problem := next(own_problems(family_of(model), scheduler), None)):
            raise ValueError(problem)
        check_prediction(scheduler, method.scheduler)
        schedule_of(scheduler, method)
        if method.long_prompts == "chunk" and family_of(model) not in READ_WINDOWS:
            raise ValueError(NO_WINDOWS)
    except ValueError as error:
        raise UserError(f"{config.source_of('method')}: method: {error}") from None
    if problem := clip_skip_problem(family_of(model), part_config(model), config.clip_skip):
        raise UserError(f"{config.source_of('clip_skip')}: clip_skip {problem}")


def model_warnings(config: Config, model: str, similarity: str) -> list[str]:
    """What the models of a run are asked for that they were not trained for, or do not read.

    Args:
        model: the path of the diffusion model on this machine.
        similarity: that of the model of image-text similarity.

    Raises:
        UserError: the levels of the latter cannot be read.
    """
    if config.engine == "null":
        return []
    found = ModelFacts.of(config.model, Path(model), config.lora).warnings(config.method)
    try:
        levels = ContentLevels.read(Path(similarity))
    except ValueError as error:
        raise UserError(f"{config.source_of('similarity')}: {error}") from None
    if warning := levels.warning(config.method, config.similarity):
        found.append(warning)
    found += _content_warnings(config, levels)
    found += _timing_warnings(config, levels)
    return [*found, *_token_warnings(config, model)]


def _content_warnings(config: Config, levels: ContentLevels) -> Iterator[str]:
    """That content is judged by the very model that it was optimised against.

    Args:
        levels: of that model.
    """
    method = config.method
    is_steered = method.content_weight > 0 and method.timing != "never" and levels.of(method).steers
    if config.own_content_judge is not None or not is_steered:
        return
    for name in ("min_similarity", "min_source_similarity"):
        if getattr(config, name) > ANY_SIMILARITY:
            yield (
                f"{name}: images are judged by the CLIP that they were optimised against, so it "
                "confirms most; give another as content_judge"
            )


def _timing_warnings(config: Config, levels: ContentLevels) -> Iterator[str]:
    """That a parameter of the start of guidance is not read by its policy.

    Args:
        levels: of the CLIP that steers.
    """
    method = config.method
    policy = timing_of(method, levels)
    if method.timing == "never" or isinstance(policy, Threshold):
        return
    unread = {"timing_latest"} if method.timing == "fixed" else {"timing_level", "timing_latest"}
    for name in sorted(unread & method.model_fields_set):
        yield (
            f"method.{name}: no effect, as guidance starts at a fixed step (method.timing = "
            f'"{method.timing}"); set method.timing = "threshold" to wait for a similarity'
        )


def _token_warnings(config: Config, model: str) -> Iterator[str]:
    """What of fitted tokens, or of the method beside them, has no effect.

    Raises:
        UserError: they are of other emotions.
    """
    method, file = config.method, place_of(config.fitted_tokens, model)
    if method.timing == "never":
        if config.fitted_tokens and file is not None:
            yield "fitted_tokens: no effect with method.timing = never, which uses no tokens"
        return
    if file is None:
        if "updates" in method.model_fields_set:
            yield "method.updates: no effect without fitted tokens: all tokens are updated"
        return
    tokens = TokensFile.read(file)
    lacking = [name for name in config.taxonomy.labels if name not in tokens.vectors]
    if len(lacking) == len(config.taxonomy.labels):
        raise UserError(
            f"{config.source_of('fitted_tokens')}: fitted_tokens: {file} has tokens for "
            f"{', '.join(tokens.vectors)}, none of which is an emotion of {config.taxonomy.name}; "
            f'{REMEDY}, or set fitted_tokens = "none"'
        )
    if lacking:
        names = ", ".join(lacking)
        yield f"{file} has no tokens for {names}: requests for them start from the word"
    if warning := unread_warning(tokens.vectors, tokens.alone, method):
        yield warning
