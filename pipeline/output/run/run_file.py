"""`run.json`: what a run is made of, how far it is, and, once it is complete, what came of it."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manifests.read import Manifest, extra_columns
from pipeline.config import Config, as_dict, fingerprint_settings
from pipeline.config_models import with_current_values
from pipeline.errors import UserError
from pipeline.generation import scores
from pipeline.models.locate import Model, is_same_judge
from pipeline.output.run.run_content import check_tables
from pipeline.planning import plan
from pipeline.planning.fingerprint import fingerprint
from pipeline.planning.software import versions
from pipeline.storage import targets
from pipeline.storage.files import Location, json_bytes, size_of, write_bytes
from pipeline.storage.regular import read_file, refuse_special

RUN_FILE = targets.RUN_FILE


@dataclass(frozen=True)
class RunFile:
    """The content of `run.json`.

    Attributes:
        fingerprint: hash of `parts`.
        parts: all that the bytes of the corpus depend on: manifest, settings, models, software.
        config: every setting.
        same_judge: whether the judge is the guide.
        manifest: path or URL of the manifest, without secrets.
        rows: rows of the manifest.
        requests: requests of the plan.
        complete: whether the corpus is finished.
        counts: how the requests ended, of a complete corpus.
        adopted: differences in spite of which the run was continued.
        files: SHA-256 of the files of a complete corpus that belong to no shard, by name.
        last_marker: digest of its last marker; empty without shards.
        reopened_from: the first shard that a retry has to remove and may not have removed yet.
    """

    fingerprint: str
    parts: Mapping[str, Any]
    config: Mapping[str, Any]
    same_judge: bool
    manifest: str
    rows: int
    requests: int
    complete: bool = False
    counts: Mapping[str, Any] | None = None
    adopted: tuple[str, ...] = ()
    files: Mapping[str, str] | None = None
    last_marker: str | None = None
    reopened_from: int | None = None

    @property
    def identity(self) -> str:
        """Hash of what the run makes, which its markers and batches hold: whatever `--adopt` may
        pass over, the versions of software, is not part of it."""
        parts = {name: part for name, part in self.parts.items() if name != "versions"}
        return fingerprint(parts)

    def reopened(self, first_shard: int | None = None) -> RunFile:
        """The same run with work to do.

        Args:
            first_shard: it and those after it are to be removed.
        """
        return replace(
            self,
            complete=False,
            counts=None,
            files=None,
            last_marker=None,
            reopened_from=first_shard,
        )

    def finished(
        self, counts: Mapping[str, Any], files: Mapping[str, str], last_marker: str
    ) -> RunFile:
        """The same run as a complete corpus."""
        return replace(self, complete=True, counts=counts, files=files, last_marker=last_marker)


_FILE = re.compile(r"(shards/)?\w[\w.-]*", re.ASCII)
"""The names of files of a corpus that belong to no shard."""

_TYPES: dict[str, type] = {
    "fingerprint": str,
    "parts": dict,
    "config": dict,
    "same_judge": bool,
    "manifest": str,
    "rows": int,
    "requests": int,
    "complete": bool,
}
_OF_COMPLETE: dict[str, type] = {"counts": dict, "files": dict, "last_marker": str}
_OPTIONAL: dict[str, type] = {"adopted": list, "reopened_from": int}


def write_run(output: Location, run: RunFile) -> None:
    write_bytes(output / RUN_FILE, _encode(run))


def _encode(run: RunFile) -> bytes:
    """The content of `run.json`: the fields that have a value, and a digest of them."""
    fields = dict(vars(run))
    for name in (*_OF_COMPLETE, *_OPTIONAL):
        if fields[name] is None or fields[name] == ():
            del fields[name]
    digest = hashlib.sha256(json_bytes(fields)).hexdigest()
    return json_bytes({**fields, "digest": digest})


def read_run(output: Location) -> RunFile:
    """`run.json` of an output.

    Raises:
        UserError: not the output of a run, or damaged.
    """
    file = output / RUN_FILE
    refuse_special(file)
    if size_of(file) is None:
        raise UserError(_why_no_output(output))
    data = read_file(file)
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        # What the parser says is of no use to those who did not write the file.
        fields = None
    try:
        run = _parse(fields)
        if data != _encode(run):
            raise ValueError("its digest is not that of its content")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: {error}; restore it from a copy") from None
    return run


def _why_no_output(output: Location) -> str:
    """Why there is no run at a place, with the one that is probably meant."""
    # Of an object store it is not known whether a folder exists.
    if isinstance(output, Path):
        holder = next(filter(targets.is_run_folder, output.parents), None)
        if holder is not None and output.exists():
            return f"{output} lies in the output of a run; give its folder, {holder}"
        if not output.exists():
            near = similar_folder(output)
            meant = "give the folder of a run" if near is None else f"did you mean {near}?"
            return f"{output} does not exist; {meant}"
    return f"{output} is not the output of a run: it has no {RUN_FILE}"


def similar_folder(output: Location) -> Path | None:
    """The folder that is probably meant by a path that does not exist; None if there is none.

    Of an object store it is not known.
    """
    if not isinstance(output, Path) or output.exists():
        return None
    near = difflib.get_close_matches(output.name, _folders_beside(output), n=1)
    return output.parent / near[0] if near else None


def _folders_beside(path: Path) -> list[str]:
    """The names of the folders in the folder of a path, as far as they can be read."""
    try:
        return sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir())
    except OSError:
        return []


def identity_of(output: Location) -> str:
    """The identity of the run in an output; empty if there is none, as for a benchmark."""
    return read_run(output).identity if size_of(output / RUN_FILE) is not None else ""


def _parse(fields: Any) -> RunFile:
    """
    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    if not isinstance(fields, dict):
        raise ValueError("it is cut off, or is no JSON object")
    required = _TYPES | (_OF_COMPLETE if fields.get("complete") else {})
    for name, kind in required.items():
        if type(fields.get(name)) is not kind:
            raise ValueError(f"{name} is missing or is not of type {kind.__name__}")
    for name, kind in _OPTIONAL.items():
        if name in fields and type(fields[name]) is not kind:
            raise ValueError(f"{name} is not of type {kind.__name__}")
    for name in ("rows", "requests", "reopened_from"):
        if fields.get(name, 0) < 0:
            raise ValueError(f"{name} is below 0")
    for name, sha256 in fields.get("files", {}).items():
        # Names are joined to the output's path.
        if not _FILE.fullmatch(name) or not isinstance(sha256, str):
            raise ValueError(f"files has {name!r}, which is no file of a corpus")
    check_tables(fields)
    values = {name: fields[name] for name in required}
    return RunFile(
        **values,
        adopted=tuple(fields.get("adopted", ())),
        reopened_from=fields.get("reopened_from"),
    )


def as_stored(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parts as `run.json` gives them back: tuples as lists, keys in order.

    A resumed run then compares equal and writes the same.
    """
    stored: dict[str, Any] = json.loads(json.dumps(parts, sort_keys=True))
    return stored


def current_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an older run with the values of its settings as they are called now."""
    return {**parts, "config": with_current_values(parts["config"])}


def describe(
    manifest: Manifest, sha256: str, config: Config, models: Mapping[str, Model]
) -> RunFile:
    """The run file as it is before anything was made.

    Args:
        sha256: hash of the manifest's content.
    """
    parts: dict[str, Any] = {
        "manifest": {"sha256": sha256},
        "config": fingerprint_settings(config),
        "models": {},
        "versions": versions(),
    }
    for role, model in models.items():
        parts["models"][role] = {"name": model.name, "sha256": model.sha256}
    if config.filters:
        parts["filters"] = scores.providers(config)
    parts = as_stored(parts)
    return RunFile(
        fingerprint=fingerprint(parts),
        parts=parts,
        config=as_dict(config),
        same_judge=is_same_judge(models),
        manifest=manifest.path,
        rows=manifest.rows,
        requests=plan.planned_requests(manifest, config),
    )


def known_manifest(path: str, sha256: str, config: Config, output: Location) -> Manifest | None:
    """The manifest as it was checked when the run in `output` began.

    None if that was another one, or was read under other settings. To check ten million rows takes
    a minute; to resume a run must not.

    Args:
        path: where the manifest's content is now.
        sha256: hash of that content.
    """
    if not (output / RUN_FILE).exists():
        return None
    before = read_run(output)
    old = current_parts(before.parts)
    now = {
        "manifest": {"sha256": sha256},
        "config": fingerprint_settings(config),
        "versions": versions(),
    }
    if any(old.get(key) != value for key, value in as_stored(now).items()):
        return None
    # With another limit, the manifest may have more requests than the run has.
    if before.config.get("limit") != config.limit:
        return None
    return Manifest(path, before.rows, before.requests, extra_columns(path))
