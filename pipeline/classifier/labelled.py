"""One labelled image, what its label means, and what of a data set was not read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UserError

IMAGES = ("png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff")
"""Suffixes of the images that are decoded."""


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


def label_name(name: str, label: Any, classes: Sequence[str]) -> str:
    """A label as a name. Numbers are never guessed at: data sets order the same emotions
    differently.

    Args:
        name: where the image is, for messages.
        label: text, a whole number, or a list with one of them.
        classes: the names that numbers stand for.

    Raises:
        UserError: several labels, another type, or a number without a name.
    """
    if isinstance(label, list) and len(label) == 1:
        (label,) = label
    if isinstance(label, float) and label.is_integer():
        # pandas turns integers into floats where one is missing.
        label = int(label)
    if isinstance(label, bool) or not isinstance(label, (str, int)):
        raise UserError(f"{name}: its label is {label!r}; give the name of one emotion")
    text = str(label).strip()
    if not re.fullmatch(r"-?\d+(\.0+)?", text):
        return text
    number = int(text.partition(".")[0])
    if 0 <= number < len(classes):
        return classes[number]
    raise UserError(
        f"{name}: its label is {text}, and the data do not say which emotion that is; "
        "name all in their order: --set 'classes=[\"amusement\", ...]'"
    )
