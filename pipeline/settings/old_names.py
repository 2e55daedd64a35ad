"""Former names and values of settings, which are refused with what replaces them."""

from __future__ import annotations

from typing import Any

RESEEDED = "every further try takes another seed"

RENAMED: dict[str, str | None] = {
    "preview": "tiny_vae",
    "preview_side": None,
    "nodes": "label_selector",
    "effort": None,
    "retry_strategy": None,
    "patience": "store_timeout_s",
    "request_seconds": "request_timeout_s",
    "start_seconds": "worker_start_timeout_s",
    "images.private": "images.allow_private",
    "images.bytes": "images.max_bytes",
    "images.pixels": "images.max_pixels",
    "images.seconds": "images.timeout_s",
    "method.iterations": "method.max_updates_per_step",
    "method.until": "method.guidance_end",
    "method.enough": "method.stop_confidence",
    "method.lead": "method.prompt_suffix",
    "method.augment": None,
    "method.token_space": None,
    "null": None,
}
"""Old dotted names to new ones; None for settings that were removed (see `REMOVED`)."""

REMOVED = {
    "effort": RESEEDED,
    "retry_strategy": RESEEDED,
    "preview_side": "what the guide reads is always decoded at its full size",
    "method.augment": "the guide always sees the image as it is",
    "method.token_space": "tokens are always words before the text encoder",
    "null": "these were faults for tests",
}
"""Why a setting is gone."""

OLD_VALUES: dict[tuple[str, Any], str] = {
    ("tiny_vae", "full"): "none",
    ("method.timing", "settled"): "auto",
    ("method.timing", "unconditional_threshold"): "auto",
    ("method.timing", "plateau"): "auto",
}
"""New names of settings, with former values of them, to what those are called now."""


def refusal(key: str, value: Any) -> str | None:
    """What to write instead of an old name or value; None if they are not old."""
    new = RENAMED.get(key, key)
    if new is None:
        return f"{key} was removed: {REMOVED[key]}; leave it out"
    old_value = (new, value) if isinstance(value, str) else None
    if old_value in OLD_VALUES:
        name = f"{key} is now {new}, and " if new != key else ""
        now = OLD_VALUES[old_value]
        return f'{name}the value {value!r} is now "{now}"; write {new} = "{now}"'
    return f"{key} is now {new}; rename it" if new != key else None
