"""Models that are not on this machine, or not where a path says."""

from __future__ import annotations

from pathlib import Path

from muse.diffusion.files.hub import SINGLE_FILE
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.roles import is_here, names_of, without_option


def absence_warning(config: Config) -> str | None:
    """That models of a run have to be downloaded first; None if all are here.

    Raises:
        UserError: one can only be a file, which is not there.
    """
    absent = {role: name for role, name in names_of(config).items() if not is_here(role, name)}
    if not absent:
        return None
    maybe_paths = []
    for role, name in absent.items():
        path = without_option(role, name)
        if path.endswith(SINGLE_FILE):
            key = role.split()[0]
            raise UserError(f"{config.source_of(key)}: {key} {name!r}: there is no such file")
        if Path(path).expanduser().parent.is_dir():
            maybe_paths.append(name)
    warning = (
        f"{', '.join(absent.values())}: not on this machine yet; models are checked when all are "
        "here, or when a run has downloaded them"
    )
    if maybe_paths:
        warning += f". If {', '.join(maybe_paths)} is meant as a path, nothing is there"
    return warning
