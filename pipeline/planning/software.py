"""The versions of the software that the bytes of a corpus depend on."""

from __future__ import annotations

import platform
import socket
from collections.abc import Mapping
from functools import cache
from importlib import metadata

from pipeline.errors import UserError
from pipeline.version import version

PACKAGES = ("torch", "diffusers", "transformers", "pillow", "numpy", "pyarrow")


def versions() -> dict[str, str]:
    """Name to version, of this project, the interpreter and the packages that matter."""
    packages = {name: _version(name) for name in PACKAGES}
    return {"muse-batch": version(), "python": platform.python_version(), **packages}


@cache
def _version(package: str) -> str:
    return metadata.version(package)


def refuse_other_versions(expected: Mapping[str, str]) -> None:
    """Compare the software of this process with the driver's, which the samples name.

    Raises:
        UserError: a version differs.
    """
    found = versions()
    different = []
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            different.append(f"{name} {found.get(name)} where the driver has {expected.get(name)}")
    if different:
        raise UserError(
            f"the software on this node ({socket.gethostname()}) is not the driver's: "
            f"{'; '.join(different)}; install the same versions"
        )
