"""Whether the settings of a run fit its diffusion model, and what of them has no effect there."""

from __future__ import annotations

from pathlib import Path

from muse.diffusion.files.hub import configs_of, family_of, part_config
from muse.diffusion.files.model_files import READ_WINDOWS
from muse.diffusion.files.part_fit import clip_skip_problem
from muse.diffusion.model_facts import ModelFacts
from pipeline.config import Config
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


def model_warnings(config: Config, path: str) -> list[str]:
    """What the diffusion model of a run is asked for that it was not trained for, or does not read.

    Args:
        path: of the model on this machine.
    """
    if config.engine == "null":
        return []
    return ModelFacts.of(config.model, Path(path), config.lora).warnings(config.method)
