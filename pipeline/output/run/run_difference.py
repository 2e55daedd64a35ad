"""What differs between the run in an output and the one that was asked for, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from manifests.check import ManifestError
from manifests.file import opened
from manifests.read import content_hash
from pipeline.output.run.run_file import RunFile
from pipeline.planning.fingerprint import Difference

MANIFEST_REMEDY = (
    "A run keeps the manifest that it began with. For another one give another --output; "
    "`muse-batch merge` joins both corpora"
)

OF_CORPORA = {
    "refiltered": "refiltered: made of another corpus, or of that corpus as it was before",
    "flags": "flags: another set of them",
    "merged": "merged: made of other corpora, or of these in another order",
}
"""Parts of derived corpora, whose values are hashes and long tables."""


def in_words(found: Sequence[Difference], before: RunFile, now: RunFile) -> list[str]:
    """A line for each thing that differs, without hashes.

    Args:
        before: the run in the output.
        now: the one that was asked for.
    """
    lines: list[str] = []
    for difference in found:
        section, _, rest = difference.key.partition(".")
        if section == "manifest":
            lines += _of_manifests(before, now)
        elif section == "models" and rest.endswith("sha256"):
            lines += _of_model(rest.removesuffix(".sha256"), before.parts, now.parts)
        else:
            lines.append(OF_CORPORA.get(section, str(difference)))
    return list(dict.fromkeys(lines))


def _of_manifests(before: RunFile, now: RunFile) -> Iterator[str]:
    """Names, numbers, and columns where both manifests can still be read."""
    old, new = (f"{run.rows:,} row(s), {run.requests:,} request(s)" for run in (before, now))
    if before.manifest != now.manifest:
        yield f"manifest: {before.manifest} ({old}) -> {now.manifest} ({new})"
    elif old == new:
        yield f"manifest: {now.manifest} has changed: as many rows ({new}), with other content"
    else:
        yield f"manifest: {now.manifest} has changed: {old} -> {new}"
    # What was at the same place before cannot be read any more: nothing is hashed to find that out.
    if before.manifest == now.manifest:
        return
    earlier, later = _columns(before), _columns(now)
    if earlier is None or later is None:
        return
    if gone := [name for name in earlier if name not in later]:
        yield f"manifest: {now.manifest} lacks column(s) {', '.join(gone)}"
    if added := [name for name in later if name not in earlier]:
        yield f"manifest: {now.manifest} has the new column(s) {', '.join(added)}"


def _columns(run: RunFile) -> list[str] | None:
    """The columns of a run's manifest, if it is on this machine and still the same."""
    if "://" in run.manifest:
        return None
    try:
        if content_hash(run.manifest) != run.parts["manifest"]["sha256"]:
            return None
        with opened(run.manifest) as file:
            return list(file.plain.names)
    except (ManifestError, OSError):
        return None


def _of_model(role: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Nothing where one of the runs has no such model: that is a difference of its own."""
    before, now = old["models"].get(role), new["models"].get(role)
    if not before or not now:
        return
    if before["name"] == now["name"]:
        yield f"models.{role}: the files of {now['name']} have changed"
    else:
        yield f"models.{role}: the files of {now['name']} are not those of {before['name']}"
