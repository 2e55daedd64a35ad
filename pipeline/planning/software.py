"""The versions of the software that the bytes of a corpus depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from pipeline import __version__

PACKAGES = ("torch", "diffusers", "transformers", "pillow", "numpy", "pyarrow")


def versions() -> dict[str, str]:
    """Name to version, of this project, the interpreter and the packages that matter."""
    packages = {name: version(name) for name in PACKAGES}
    return {"muse-batch": __version__, "python": platform.python_version(), **packages}
