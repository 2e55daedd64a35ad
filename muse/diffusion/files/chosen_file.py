"""Which file of weights is read where a folder was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from muse.diffusion.files.model_files import dangling_problem

MAX_SHOWN = 10
"""Files of a folder that a message lists."""


def chosen_file(path: Path, usual: str, kind: str) -> Path:
    """The file that is read: `path` itself, or that of the folder `path`.

    In a folder that is the one of the usual name, else the only one.

    Args:
        usual: the name that diffusers gives such a file.
        kind: what it is of, as `LoRA`.

    Raises:
        ValueError: there is none, or it is not known which of several.
    """
    files = _files(path)
    if problem := dangling_problem(path):
        raise ValueError(problem)
    if not files:
        what = "a whole model" if (path / "model_index.json").exists() else f"no {kind}"
        raise ValueError(
            f"it is {what}: no .safetensors file lies in that folder itself; give the "
            f"folder or the file of a {kind}, such as {usual}"
        )
    if path / usual in files:
        return path / usual
    if len(files) > 1:
        raise ValueError(
            f"it holds {len(files)} .safetensors files, none of which is called {usual}: "
            f"{_listed([file.name for file in files])}; give the one to use, such as {files[0]}"
        )
    return files[0]


def unread_beside(path: Path, file: Path) -> str | None:
    """What of a folder is not read, where `file` was chosen of it; None if nothing is left over."""
    others = [other.name for other in _files(path) if other != file]
    return f"{file.name} is read; not read beside it: {_listed(others)}" if others else None


def _files(path: Path) -> list[Path]:
    """The files of weights in a folder, or the single one that `path` is."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.glob("*.safetensors") if file.is_file())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more
