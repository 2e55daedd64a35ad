"""Labelled images from a folder with a subfolder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.classifier.labelled import IMAGES, Findings, LabelledImage, label_name
from pipeline.config_tables import Images
from pipeline.errors import ImageError, UserError
from pipeline.generation.source_images import read_regular_file

SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")
"""What file managers leave behind, in lower case; names that begin with a dot are hidden, too."""

MAX_BYTES = Images().max_bytes
"""Of an encoded image."""


def class_folders(data: Path) -> list[Path]:
    """Subfolders in which there is an image, however deep.

    Raises:
        UserError: they are the splits of a data set, or one folder that holds those of the classes.
    """
    found = [path for path in visible(data) if path.is_dir() and _has_image(path)]
    if found and all(path.name.lower() in SPLITS for path in found):
        names = ", ".join(path.name for path in found)
        raise UserError(
            f"{data} has several splits ({names}); give the folder of one, as {found[0]}"
        )
    if len(found) == 1 and _holds_folders_alone(found[0]):
        raise UserError(f"{data} holds one folder with images; give that folder: {found[0]}")
    return found


def visible(folder: Path) -> list[Path]:
    """What is in a folder and is not hidden, sorted; nothing if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not _is_hidden(path.name))


def images_of(
    data: Path, folders: Sequence[Path], classes: Sequence[str], findings: Findings
) -> Iterator[LabelledImage]:
    """Every image of the class folders, in a fixed order.

    Args:
        classes: the names that folders with a number for a name stand for.

    Raises:
        UserError: a folder whose name is a number without a name.
    """
    for path in sorted(data.iterdir()):
        if path not in folders:
            findings.ignored[_kind_of_file(path, "outside the class folders")] += 1
    for folder in folders:
        label = label_name(str(folder), folder.name, classes)
        for path in _files_below(folder, findings):
            if not _is_image(path.name):
                findings.ignored[_kind_of_file(path)] += 1
                continue
            try:
                yield LabelledImage(str(path), _read(path), label)
            except ImageError as error:
                findings.broken.append(f"{path}: {error}")


def _read(path: Path) -> bytes:
    """
    Raises:
        ImageError: a link to nothing, a pipe, or a file that is too large or cannot be read.
    """
    if not path.exists():
        raise ImageError("is a link to a file that does not exist")
    try:
        data = read_regular_file(str(path), MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise ImageError(f"has more than {MAX_BYTES} bytes")
    return data


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


def _holds_folders_alone(folder: Path) -> bool:
    """Whether the images of a folder are in several subfolders, and none in itself."""
    inside = visible(folder)
    subfolders = [path for path in inside if path.is_dir() and _has_image(path)]
    return len(subfolders) > 1 and not any(_is_image(path.name) for path in inside)


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
