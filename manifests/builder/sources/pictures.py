"""Which names mean images, and what is written beside one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manifests import schema
from manifests.builder.columns import renamed_object
from manifests.builder.sources.json_table import parsed_object

SUFFIXES = ("png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff")
CAPTION_SUFFIXES = ("txt", "caption")

MAX_NAMES = 12
"""Keys and suffixes that a note lists; the others are counted."""


@dataclass(frozen=True)
class Description:
    """What is written beside an image.

    Attributes:
        values: columns of ours.
        left_out: keys of its `.json` that are not used.
        overruled: which captions differ from the one that counts, in words; empty if none does.
    """

    values: dict[str, Any]
    left_out: list[str]
    overruled: str = ""


def left_out_notes(path: str, keys: Iterable[str], suffixes: Iterable[str] = ()) -> Iterator[str]:
    """Lines on what stands beside images and is not used: keys of their JSON, and other files."""
    for what, names in (("keys of .json files", keys), ("files that end in", suffixes)):
        ranked = sorted(names)
        more = len(ranked) - MAX_NAMES
        listed = ", ".join(ranked[:MAX_NAMES]) + (f", and {more} more" if more > 0 else "")
        if ranked:
            yield f"{path}: left out: {what} {listed}"


def described(captions: Mapping[str, bytes], mapping: Mapping[str, str]) -> Description:
    """Columns of ours from what is written beside an image.

    Args:
        captions: contents of its `.json`, `.txt` and `.caption`, by suffix. They count in this
            order, and one without words not at all.
        mapping: our column to theirs.

    Raises:
        ValueError: it is not UTF-8, not a JSON object, or ambiguous.
    """
    values: dict[str, Any] = {}
    left_out: list[str] = []
    if "json" in captions:
        try:
            given = parsed_object(captions["json"])
        except ValueError as error:
            raise ValueError(f".json {error}") from None
        values, left_out = renamed_object(given, mapping)
        # The image is the one that it stands beside. An id is often that of a content, not of an
        # image; it counts where it is asked for.
        values.pop(schema.IMAGE, None)
        if schema.ID not in mapping and values.pop(schema.ID, None) is not None:
            left_out.append(schema.ID)
    counts, others = "json", []
    for suffix in CAPTION_SUFFIXES:
        if suffix not in captions:
            continue
        try:
            caption = captions[suffix].decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise ValueError(f".{suffix} is not UTF-8; save it as UTF-8") from None
        prompt = values.get(schema.PROMPT)
        if prompt is None or not str(prompt).strip():
            counts, values[schema.PROMPT] = suffix, caption
        elif caption and caption != str(prompt).strip():
            others.append(f".{suffix}")
    overruled = f"another caption in {' and '.join(others)}; that in .{counts} counts"
    return Description(values, left_out, overruled if others else "")
