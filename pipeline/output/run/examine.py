"""Whether an output may be used: it is new, empty, or holds the run that was asked for."""

from __future__ import annotations

from dataclasses import replace

from muse.diffusion.compiling import AUTO, OFF, ON
from pipeline.config import Config
from pipeline.config_models import current_value
from pipeline.errors import UserError
from pipeline.output.run.run_difference import MANIFEST_REMEDY, in_words
from pipeline.output.run.run_file import RUN_FILE, RunFile, current_parts, read_run
from pipeline.planning.fingerprint import can_change_images, differences, fingerprint
from pipeline.storage.files import Location, is_temporary
from pipeline.storage.targets import refuse_place


def examine_output(output: Location, run: RunFile, adopt: bool = False) -> RunFile:
    """The run to work on: `run`, or the one that is in the output already.

    Args:
        adopt: continue a run in spite of differences that cannot change its bytes; it keeps its
            own description.

    Raises:
        UserError: the folder holds something else, or a run under another fingerprint (with the
            difference); or it is no place for a new run.
    """
    if not (output / RUN_FILE).exists():
        refuse_place(output)
        return run
    before = read_run(output)
    old = current_parts(before.parts)
    if fingerprint(old) == run.fingerprint:
        if run.requests < before.requests:
            raise UserError(
                f"--limit: {output} has a plan of {before.requests} requests already, and "
                f"{run.requests} are asked for; give a limit of at least as many, "
                "or another --output"
            )
        return before
    if not _has_results(output):
        # A run that was refused before it made anything does not bind the next one.
        return run
    found = differences(old, run.parts)
    harmful = [difference for difference in found if can_change_images(difference, old, run.parts)]
    if adopt and not harmful:
        return replace(before, adopted=(*before.adopted, *map(str, found)))
    remedy = "go back to those to resume it, or give another --output"
    if adopt:
        # Only what stands in the way is listed.
        found = harmful
        remedy = f"--adopt is for differences that cannot change the images; or {remedy}"
    elif not harmful:
        remedy = f"none of it can change the images: --adopt continues the run; or {remedy}"
    elif any(difference.key == "manifest.sha256" for difference in found):
        # What `refilter` makes is bound to no manifest: a list of settings would lead nowhere.
        if "refiltered" in run.parts:
            raise UserError(
                f"{output} holds another corpus, made of {before.manifest}; "
                "give another --output, which does not exist yet"
            )
        remedy = MANIFEST_REMEDY
    listed = "\n  ".join(in_words(found, before, run))
    raise UserError(f"{output} holds another run, which differs in\n  {listed}\n{remedy}")


def settings_to_resume(output: Location, config: Config) -> Config:
    """The settings, with `compile = "auto"` left to the run in the output if that has decided it.

    Earlier releases did not compile by default, and had no `auto`. Their runs go on as they began,
    so that all images of a run are computed alike.
    """
    if config.compile != AUTO or not (output / RUN_FILE).exists():
        return config
    began = current_value("compile", read_run(output).config.get("compile"))
    return config.replace(compile=began) if began in (ON, OFF) else config


def refuse_other_run(output: Location, run: RunFile, adopt: bool = False) -> None:
    """Refuse an output that holds another run, as far as that can be told without its models.

    Args:
        run: the one that was asked for; its models are left open.
        adopt: as for `examine_output`.

    Raises:
        UserError: as `examine_output`.
    """
    old = current_parts(read_run(output).parts)
    models = old["models"]
    settings = dict(run.parts["config"])
    # A model may be the same by another name.
    for role in settings.keys() & models.keys():
        settings[role] = old["config"].get(role)
    parts = {**run.parts, "config": settings, "models": models}
    found = differences(old, parts)
    # Whether all that differs is harmless is known with the models alone.
    if not found or any(can_change_images(each, old, parts) for each in found):
        examine_output(output, replace(run, parts=parts, fingerprint=fingerprint(parts)), adopt)


def _has_results(output: Location) -> bool:
    """Whether anything was made there: a batch, a shard, or what follows from them."""
    others = (path for path in output.iterdir() if path.name not in (RUN_FILE, "_state"))
    if any(not is_temporary(path) for path in others):
        return True
    return _has_files(output / "_state" / "batches")


def _has_files(folder: Location) -> bool:
    if not folder.exists():
        return False
    return any(_has_files(path) if path.is_dir() else True for path in folder.iterdir())
