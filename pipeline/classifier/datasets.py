"""Labelled images, one at a time, from an image folder, a WebDataset or a `datasets` set."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.arrow_types import class_names
from manifests.tars import TAR_SUFFIXES, DamagedTarError, read_samples
from pipeline.errors import UserError

IMAGES = ("png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff")
COLUMNS = ("emotion", "label", "labels")
"""Where a label is searched for, in this order: columns of a table, keys of a sample's JSON."""

TABLE_SUFFIXES = (".parquet", ".arrow")

SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")
"""What file managers leave behind, in lower case; names that begin with a dot are hidden, too."""

FORMS = (
    "a folder with a subfolder of images for each emotion, tar shards, parquet files, "
    "or a saved `datasets` set"
)


@dataclass(frozen=True)
class LabelledImage:
    """One image, encoded, with its label; `name` says where it is."""

    name: str
    image: bytes
    label: str


@dataclass
class Findings:
    """What was not read: what was ignored, counted by kind, and what is broken, by name with the
    reason."""

    ignored: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """What was ignored, in words; empty if nothing was."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.ignored.items()))


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
        splits = ", ".join(json.loads((data / "dataset_dict.json").read_text())["splits"])
        raise UserError(
            f"{data} has several splits ({splits}); give the folder of one, as {data / 'train'}"
        )
    tars, tables, folders = _tar_files(data), _table_files(data), _class_folders(data)
    if (data / "run.json").is_file() and tars:
        # The output of a run: its index has no images.
        tables, folders = [], []
    forms = {"tar files": tars, "tables": tables, "class folders": folders}
    present = [form for form, paths in forms.items() if paths]
    if len(present) > 1:
        examples = " and ".join(f"{form} (as {forms[form][0].name})" for form in present)
        raise UserError(f"{data} holds {examples}; move one of them elsewhere, or give one alone")
    if not present:
        raise UserError(f"{data}: no labelled images; give {FORMS}")
    for file in tars:
        yield from _from_tar(file, classes, findings)
    for file in tables:
        yield from _from_table(file, classes)
    if folders:
        yield from _from_folders(data, folders, findings)


def _tar_files(data: Path) -> list[Path]:
    if data.is_file():
        return [data] if data.name.lower().endswith(TAR_SUFFIXES) else []
    for folder in (data, data / "shards"):
        files = [path for path in _visible(folder) if path.name.lower().endswith(TAR_SUFFIXES)]
        if files:
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
            if files := [path for path in _visible(folder) if path.suffix.lower() == suffix]:
                return files
    return []


def _class_folders(data: Path) -> list[Path]:
    """Subfolders in which there is an image, however deep."""
    found = [path for path in _visible(data) if path.is_dir() and _has_image(path)]
    if found and all(path.name.lower() in SPLITS for path in found):
        names = ", ".join(path.name for path in found)
        raise UserError(
            f"{data} has several splits ({names}); give the folder of one, as {found[0]}"
        )
    return found


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not _is_hidden(path.name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def _is_image(name: str) -> bool:
    return name.rpartition(".")[2].lower() in IMAGES


def _has_image(folder: Path) -> bool:
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        if any(_is_image(name) and not _is_hidden(name) for name in (*files, *folders)):
            return True
    return False


def _from_folders(
    data: Path, folders: Sequence[Path], findings: Findings
) -> Iterator[LabelledImage]:
    for path in sorted(data.iterdir()):
        if path not in folders:
            findings.ignored[_kind_of_file(path, "outside the class folders")] += 1
    for folder in folders:
        for path in _files_below(folder, findings):
            if not _is_image(path.name):
                findings.ignored[_kind_of_file(path)] += 1
                continue
            try:
                data_of_image = path.read_bytes()
            except FileNotFoundError:
                findings.broken.append(f"{path}: is a link to a file that does not exist")
            except OSError as error:
                findings.broken.append(f"{path}: cannot be read ({error.strerror})")
            else:
                yield LabelledImage(str(path), data_of_image, folder.name)


def _files_below(folder: Path, findings: Findings) -> Iterator[Path]:
    """Files and links, sorted, without what is hidden; folders named like images are broken."""
    for path in sorted(folder.iterdir()):
        if _is_hidden(path.name):
            findings.ignored[_kind_of_file(path)] += 1
        elif not path.is_dir():
            yield path
        elif path.is_symlink():
            # It may lead back to a folder above.
            findings.ignored["link(s) to folders"] += 1
        elif _is_image(path.name):
            findings.broken.append(f"{path}: is a folder, and named like an image")
        else:
            yield from _files_below(path, findings)


def _kind_of_file(path: Path, where: str = "") -> str:
    if _is_hidden(path.name):
        return "hidden file(s) or folder(s)"
    if path.is_dir():
        return "folder(s) without images"
    kind = f"{path.suffix.lower()} file(s)" if path.suffix else "file(s) without a suffix"
    return f"{kind} {where}".rstrip()


def _from_tar(file: Path, classes: Sequence[str], findings: Findings) -> Iterator[LabelledImage]:
    for key, parts in _samples(file, findings):
        image = next((parts[suffix] for suffix in IMAGES if suffix in parts), None)
        if image is None:
            suffixes = ", ".join(f".{suffix}" for suffix in sorted(parts))
            findings.ignored[f"sample(s) without an image ({suffixes} alone)"] += 1
            continue
        name = f"{file}: {key}"
        label = _label_of(name, parts)
        if not str(label).strip():
            findings.ignored["sample(s) with an empty label"] += 1
            continue
        yield LabelledImage(name, image, _label_name(name, label, classes))


def _samples(file: Path, findings: Findings) -> Iterator[tuple[str, dict[str, bytes]]]:
    try:
        yield from read_samples(file, findings.ignored)
    except DamagedTarError as error:
        raise UserError(str(error)) from None


def _label_of(name: str, parts: Mapping[str, bytes]) -> Any:
    """The label of a tar's sample."""
    try:
        fields = json.loads(parts.get("json", b"{}"))
        for column in COLUMNS:
            if fields.get(column) is not None:
                return fields[column]
        return parts["cls"].decode().strip()
    except (ValueError, AttributeError, KeyError):
        raise UserError(
            f"{name} has neither a .json with an `emotion` or `label` nor a .cls; it needs one"
        ) from None


def _from_table(file: Path, classes: Sequence[str]) -> Iterator[LabelledImage]:
    try:
        batches = _batches(file)
        schema = next(batches)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from None
    column = next((name for name in COLUMNS if name in schema.names), None)
    if column is None or "image" not in schema.names:
        names = ", ".join(schema.names)
        raise UserError(
            f"{file} has the columns {names}; it needs `image` and `label` (or `emotion`)"
        )
    names_of_classes, number = class_names(schema, column) or list(classes), 0
    for batch in batches:
        for image, label in zip(batch["image"].to_pylist(), batch[column].to_pylist(), strict=True):
            name = f"{file}: row {number}"
            data = image.get("bytes") if isinstance(image, Mapping) else image
            if not isinstance(data, bytes):
                raise UserError(
                    f"{name}: column 'image' holds no encoded image; embed them "
                    "(`datasets` does by default)"
                )
            yield LabelledImage(name, data, _label_name(name, label, names_of_classes))
            number += 1


def _batches(file: Path) -> Iterator[Any]:
    """First the schema, then record batches."""
    if file.suffix.lower() == ".parquet":
        with pq.ParquetFile(file, pre_buffer=False) as parquet:
            yield parquet.schema_arrow
            yield from parquet.iter_batches(batch_size=256, use_threads=False)
    else:
        with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
            yield stream.schema
            yield from stream


def _label_name(name: str, label: Any, classes: Sequence[str]) -> str:
    """A label as a name. Numbers are never guessed at: data sets order the same emotions
    differently."""
    text = str(label).strip()
    if not re.fullmatch(r"-?\d+", text):
        return text
    if 0 <= int(text) < len(classes):
        return classes[int(text)]
    raise UserError(
        f"{name}: its label is {text}, and the data do not say which emotion that is; "
        "name all in their order: --set 'classes=[\"amusement\", ...]'"
    )
