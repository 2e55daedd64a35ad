"""Builds the package and installs it into environments of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def call(*words: object, **options) -> subprocess.CompletedProcess[str]:
    """A command that must succeed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def build_wheel(folder: Path) -> Path:
    """The wheel of what is committed or present in this checkout, built from a copy of it."""
    files = call("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    source = folder / "source"
    for name in files.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    call(sys.executable, "-m", "pip", *build)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _uv_environment() -> dict[str, str]:
    """uv does not read where pip finds packages, and gets it from here."""
    listing = call(sys.executable, "-m", "pip", "config", "list").stdout
    environment = dict(os.environ)
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        if key == "global.find-links":
            environment["UV_FIND_LINKS"] = value.strip("'")
    return environment


def resolve(releases: str) -> list[str]:
    """Exact releases of all that the package depends on.

    Args:
        releases: `pinned`, those of constraints.txt; or `lowest`, the lowest that pyproject.toml
            allows for what it names, and the newest of what those need.
    """
    # torch is the installed release: others are large, and some of them want a GPU.
    constraints = [f"torch=={version('torch')}"]
    words = ["--quiet", "--no-header", "--no-annotate", "--constraint", "-"]
    if releases == "pinned":
        constraints.append((ROOT / "constraints.txt").read_text())
    else:
        words += ["--resolution", "lowest-direct"]
    return call(
        *[sys.executable, "-m", "uv", "pip", "compile", *words, ROOT / "pyproject.toml"],
        input="\n".join(constraints),
        env=_uv_environment(),
    ).stdout.split()


def install(folder: Path, wheel: Path, requirements: list[str]) -> Path:
    """A new environment with the wheel and these requirements; returns its folder of commands."""
    folder.mkdir()
    (folder / "requirements.txt").write_text("\n".join(requirements))
    uv = [sys.executable, "-m", "uv"]
    call(*uv, "venv", "--quiet", "--python", sys.executable, folder / "environment")
    python = folder / "environment" / "bin" / "python"
    into = ["pip", "install", "--quiet", "--no-deps", "--python", python]
    call(*uv, *into, "--requirement", folder / "requirements.txt", env=_uv_environment())
    call(*uv, *into, wheel)
    return python.parent


def installed(python: Path) -> dict[str, str]:
    """The releases in an environment, by lower-case name."""
    words = [sys.executable, "-m", "uv", "pip", "list", "--format", "json", "--python", python]
    return {entry["name"].lower(): entry["version"] for entry in json.loads(call(*words).stdout)}
