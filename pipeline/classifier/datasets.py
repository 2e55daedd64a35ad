"""Labelled images, one at a time, from an image folder, a WebDataset or a `datasets` set."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.arrow_types import class_names
from manifests.tars import TAR_SUFFIXES, DamagedTarError, read_samples
from pipeline.classifier.class_folders import class_folders, images_of, visible
from pipeline.classifier.labelled import IMAGES, Findings, LabelledImage, label_name
from pipeline.errors import UserError
from pipeline.output.integrity import committed_tars
from pipeline.storage.targets import is_run_folder

COLUMNS = ("emotion", "label", "labels")
"""Where a label is searched for, in this order: columns of a table, keys of a sample's JSON."""

TABLE_SUFFIXES = (".parquet", ".arrow")

ARCHIVES = (".zip", ".7z", ".rar", ".tar.zst")
"""Archives that are not read, only named where there is nothing else."""

FORMS = (
    "a folder with a subfolder of images for each emotion, tar shards, parquet files, "
    "or a saved `datasets` set"
)


def read_labelled(
    data: Path, classes: Sequence[str] = (), findings: Findings | None = None
) -> Iterator[LabelledImage]:
    """Every labelled image of `data`, in a fixed order.

    Args:
        data: a folder with a subfolder of images for each class; tar shards (a file, a folder of
            them, or the output of a run) whose samples have a .json with an `emotion` or `label`,
            or a .cls; a parquet file, a folder of them, or what `Dataset.save_to_disk` wrote.
        classes: the names that numbers stand for, where the data do not say themselves.
        findings: what was ignored or is broken is added to these.

    Raises:
        UserError: nothing that can be read, data in several forms at once, a damaged archive, or a
            label that is a number without a name.
    """
    findings = findings if findings is not None else Findings()
    if not data.exists():
        raise UserError(f"{data} does not exist; give {FORMS}")
    if (data / "dataset_dict.json").is_file():
        splits = sorted(path.parent for path in data.glob("*/state.json"))
        names = ", ".join(path.name for path in splits) or "none of them there"
        raise UserError(f"{data} has several splits ({names}); give the folder of one")
    tars, tables, folders = _tar_files(data), _table_files(data), class_folders(data)
    if (corpus := _corpus_of(data)) is not None:
        # The output of a run: its index has no images, and it knows what its tars have to hold.
        whole = [Path(str(tar)) for tar in committed_tars(corpus)]
        tars = [tar for tar in whole if data in (corpus, tar.parent, tar)]
        tables, folders = [], []
    forms = {"tar files": tars, "tables": tables, "class folders": folders}
    present = [form for form, paths in forms.items() if paths]
    if len(present) > 1:
        examples = " and ".join(f"{form} (as {forms[form][0].name})" for form in present)
        raise UserError(f"{data} holds {examples}; move one of them elsewhere, or give one alone")
    if not present:
        raise UserError(f"{data}: no labelled images; {_hint(data)}give {FORMS}")
    for file in tars:
        yield from _from_tar(file, classes, findings)
    for file in tables:
        yield from _from_table(file, classes, findings)
    if folders:
        yield from images_of(data, folders, classes, findings)


def _hint(data: Path) -> str:
    """What to do with archives, and with tars in subfolders, where nothing else is there."""
    for path in (data, *visible(data)):
        if path.name.lower().endswith(ARCHIVES):
            return f"unpack {path.name} first, or "
        if path != data and path.is_dir() and _tar_files(path):
            return f"tar files are in {path}: give that folder, or "
    return ""


def _corpus_of(data: Path) -> Path | None:
    """The output of a run that `data` is, or whose shards or one tar it is."""
    for folder, inside in ((data, data), (data.parent, data), (data.parent.parent, data.parent)):
        is_part = folder == data or inside.name == "shards"
        # Without its run.json, what else is there still shows what it is.
        rest = (folder / "metadata.parquet", folder / "shards" / "00000000.json")
        if is_part and (is_run_folder(folder) or all(map(Path.is_file, rest))):
            return folder
    return None


def _tar_files(data: Path) -> list[Path]:
    if data.is_file():
        return [data] if data.name.lower().endswith(TAR_SUFFIXES) else []
    for folder in (data, data / "shards"):
        files = [path for path in visible(folder) if path.name.lower().endswith(TAR_SUFFIXES)]
        if files := [path for path in files if not path.is_dir()]:
            return files
    return []


def _table_files(data: Path) -> list[Path]:
    if data.is_file():
        return [data] if data.suffix.lower() in TABLE_SUFFIXES else []
    if (data / "state.json").is_file():
        # A saved set also has caches of derived sets beside its files.
        try:
            state = json.loads((data / "state.json").read_text())
            return [data / file["filename"] for file in state["_data_files"]]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{data / 'state.json'} is damaged ({error}); save the set again"
            ) from None
    for folder in (data, data / "data"):
        for suffix in TABLE_SUFFIXES:
            files = [path for path in visible(folder) if path.suffix.lower() == suffix]
            if files := [path for path in files if not path.is_dir()]:
                return files
    return []


def _from_tar(file: Path, classes: Sequence[str], findings: Findings) -> Iterator[LabelledImage]:
    samples = _samples(file, findings)
    for key, parts in samples:
        images = [parts[suffix] for suffix in IMAGES if suffix in parts]
        if not images:
            suffixes = ", ".join(f".{suffix}" for suffix in sorted(parts))
            findings.ignored[f"sample(s) without an image ({suffixes} alone)"] += 1
            continue
        if len(images) > 1:
            findings.ignored["further image(s) of a sample"] += len(images) - 1
        name = f"{file}: {key}"
        try:
            label = _label_of(name, key, parts)
        except UserError:
            # Its label may stand further back; then the archive is refused for its order.
            collections.deque(samples, maxlen=0)
            raise
        if label is None:
            findings.ignored["sample(s) of a mixture of emotions"] += 1
        elif not str(label).strip():
            findings.ignored["sample(s) with an empty label"] += 1
        else:
            yield LabelledImage(name, images[0], label_name(name, label, classes))


def _samples(file: Path, findings: Findings) -> Iterator[tuple[str, dict[str, bytes]]]:
    try:
        yield from read_samples(file, findings.ignored)
    except DamagedTarError as error:
        raise UserError(str(error)) from None


def _label_of(name: str, key: str, parts: Mapping[str, bytes]) -> Any:
    """The label of a tar's sample; None for a mixture that a run of ours has made."""
    try:
        fields = json.loads(parts.get("json", b"{}"))
        for column in COLUMNS:
            if fields.get(column) is not None:
                return fields[column]
        return None if fields.get("mixture") else parts["cls"].decode().strip()
    except (ValueError, AttributeError, KeyError):
        hint = ", or unpack the archive if its folders are the classes" if "/" in key else ""
        raise UserError(
            f"{name} has neither a .json with an `emotion` or `label` nor a .cls; "
            f"it needs one{hint}"
        ) from None


def _from_table(file: Path, classes: Sequence[str], findings: Findings) -> Iterator[LabelledImage]:
    batches = _batches(file)
    schema = next(batches)
    column = next((name for name in COLUMNS if name in schema.names), None)
    if column is None or "image" not in schema.names:
        names = ", ".join(schema.names)
        raise UserError(
            f"{file} has the columns {names}; it needs `image` and `label` (or `emotion`)"
        )
    names_of_classes, number = class_names(schema, column) or list(classes), -1
    for batch in batches:
        for image, label in zip(batch["image"].to_pylist(), batch[column].to_pylist(), strict=True):
            number += 1
            name = f"{file}: row {number}"
            if image is None or label is None:
                missing = "an image" if image is None else "a label"
                findings.ignored[f"row(s) without {missing}"] += 1
                continue
            data = image.get("bytes") if isinstance(image, Mapping) else image
            if not isinstance(data, bytes):
                raise UserError(
                    f"{name}: column 'image' holds no encoded image; embed them "
                    "(`datasets` does by default)"
                )
            yield LabelledImage(name, data, label_name(name, label, names_of_classes))


def _batches(file: Path) -> Iterator[Any]:
    """First the schema, then record batches.

    Raises:
        UserError: not a regular file, or damaged.
    """
    # Opening a pipe could wait for ever.
    if not file.is_file():
        raise UserError(f"{file}: is not a regular file")
    try:
        if file.suffix.lower() == ".parquet":
            with pq.ParquetFile(file, pre_buffer=False) as parquet:
                yield parquet.schema_arrow
                yield from parquet.iter_batches(batch_size=256, use_threads=False)
        else:
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
                yield stream.schema
                yield from stream
    except (pa.ArrowException, OSError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{file}: cannot be read ({why})") from None
