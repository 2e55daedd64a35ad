"""The fingerprint of a run: which manifest, settings, models and versions its bytes depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_SHOWN_VALUE = 60
"""Characters of a value that a message shows uncut."""


@dataclass(frozen=True)
class Difference:
    """One entry in which the parts of two fingerprints differ.

    Attributes:
        key: the path of the entry, joined by dots, as `config.seed`.
        old, new: its values; None where there was none.
    """

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key}: {_shortened(self.old)} -> {_shortened(self.new)}"


def fingerprint(parts: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON, in hex."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> list[Difference]:
    """Every entry in which the parts of two fingerprints differ, in the order of their keys.

    Args:
        prefix: of the keys, where `old` and `new` are nested in something else.
    """
    found: list[Difference] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{prefix}{key}.")
        else:
            found.append(Difference(f"{prefix}{key}", before, after))
    return found


def can_change_images(
    difference: Difference, old: Mapping[str, Any], new: Mapping[str, Any]
) -> bool:
    """Whether images may differ because of `difference`.

    They do not because of the Python version, or of another path to a model with the same hash.

    Args:
        old, new: the parts that were compared.
    """
    if difference.key == "versions.python":
        return False
    section, _, role = difference.key.removesuffix(".name").partition(".")
    if section not in ("config", "models"):
        return True
    models = (old["models"].get(role), new["models"].get(role))
    is_same_model = all(models) and models[0]["sha256"] == models[1]["sha256"] != ""
    return not is_same_model


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN_VALUE else f"{text[:40]}..."
