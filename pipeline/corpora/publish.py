"""A complete corpus as a data set repository of a Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.corpora.corpus import finished_run
from pipeline.corpora.sources import reading
from pipeline.errors import RunStopped, UserError
from pipeline.output.integrity import CARD, refuse_damage
from pipeline.output.markers import marker_file, read_markers, relative_name
from pipeline.output.run.run_file import RUN_FILE, RunFile
from pipeline.storage.files import Location, size_of
from pipeline.storage.regular import read_file
from pipeline.storage.remote import Remote

RESUMES = "The same command resumes the upload."
LOGIN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"


@dataclass(frozen=True)
class Upload:
    """What is to be uploaded.

    Attributes:
        repository: its name, as owner/name.
        files: bytes by name relative to the corpus.
        warnings: what the owner may want to change before.
    """

    repository: str
    files: dict[str, int]
    warnings: tuple[str, ...]


def plan_upload(source: Location, repository: str) -> Upload:
    """What `publish` would upload. The corpus is checked whole; the network is not used.

    Raises:
        UserError: the name is not owner/name, or the corpus is incomplete, damaged, or is on an
            object store.
    """
    _check_name(repository)
    if isinstance(source, Remote):
        raise UserError(f"{source}: only a local folder is published; copy the corpus to one first")
    with reading(source):
        run = finished_run(source)
        refuse_damage(source, run)
    files = {name: size_of(source / name) or 0 for name in corpus_files(source, run)}
    return Upload(repository, files, tuple(_warnings(source, run)))


def publish(source: Path, upload: Upload, private: bool = False) -> str:
    """Upload a corpus; the same call resumes an interrupted upload. Returns the address.

    What the hub has already is not sent again (see `HfApi.upload_folder`).

    Args:
        upload: from `plan_upload`.
        private: whether a repository that does not exist yet is made private.

    Raises:
        UserError: not logged in, or not allowed to write.
        RunStopped: the hub cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with reading(source), _reported(upload.repository):
        url = api.create_repo(
            upload.repository, repo_type="dataset", private=private or None, exist_ok=True
        )
        api.upload_folder(
            repo_id=upload.repository,
            repo_type="dataset",
            folder_path=source,
            allow_patterns=sorted(upload.files),
            commit_message="Upload a corpus of muse-batch",
        )
    return str(url)


def corpus_files(source: Location, run: RunFile) -> Iterator[str]:
    """The files of a complete corpus, relative to it; nothing of `_state/`."""
    yield RUN_FILE
    yield from run.files or {}
    for marker in read_markers(source):
        yield f"shards/{marker_file(source, marker.shard).name}"
        for name in marker.sha256:
            yield relative_name(name)


def _warnings(source: Path, run: RunFile) -> Iterator[str]:
    header = read_file(source / CARD).decode(errors="replace").split("---")[1:2]
    try:
        license_ = (yaml.safe_load(header[0]) or {}).get("license") if header else None
    except (yaml.YAMLError, AttributeError):
        license_ = None
    if license_ in (None, "unknown"):
        yield f"the license in the card is unknown; set `license:` at the head of {source / CARD}"
    rejected = (run.counts or {}).get("rejected", 0)
    if rejected and run.config.get("keep_rejected"):
        yield f"the images of {rejected} rejected sample(s) are uploaded, too, in rejected/"


def _check_name(repository: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    owner, slash, name = repository.partition("/")
    if not (owner and slash and name):
        raise UserError(f"{repository}: give the repository as owner/name")
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"{repository}: no name of a repository ({error})") from None


@contextmanager
def _reported(repository: str) -> Iterator[None]:
    """The hub's errors as ours."""
    # `HTTPError` is that of the HTTP library, which differs between releases of huggingface-hub.
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except LocalTokenNotFoundError:
        raise UserError(f"{repository}: not logged in; {LOGIN}") from None
    except OfflineModeIsEnabled:
        raise UserError(f"{repository}: HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UserError(f"{repository}: the hub refuses to write ({status}); {LOGIN}") from None
        reason = f"the hub answers {' '.join(str(error).split())}"
        raise RunStopped(f"{repository}: {reason}\n{RESUMES}") from None
    except (HTTPError, ConnectionError) as error:
        raise RunStopped(f"{repository}: the hub cannot be reached ({error})\n{RESUMES}") from None
    except RuntimeError as error:
        # What its threads meet, the client raises as the cause of such an error.
        if not isinstance(error.__cause__, (HTTPError, OSError)):
            raise
        reason = " ".join(str(error.__cause__).split())
        raise RunStopped(f"{repository}: {error} {reason}\n{RESUMES}") from None
