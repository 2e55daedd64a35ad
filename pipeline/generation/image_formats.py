"""How large an image a format can hold: what is larger is refused before it is made."""

from __future__ import annotations

from muse.sizes import MAX_SIDE, Size

LONGEST_SIDES = {"jpg": 65_500, "webp": 16_383}
"""Pixels of a side at most, of libjpeg (`JPEG_MAX_DIMENSION`) and libwebp (`WEBP_MAX_DIMENSION`).
PNG holds whatever a model makes."""


def format_problems(size: Size, image_format: str) -> dict[str, str]:
    """Why a format cannot hold an image of this size, by side; empty if it can.

    Args:
        image_format: `png`, `jpg` or `webp`.
    """
    longest = LONGEST_SIDES.get(image_format)
    if longest is None:
        return {}
    sides = {"width": size.width, "height": size.height}
    others = [other for other in ("jpg", "png") if _holds(other, size)]
    remedy = "give a smaller size"
    if others:
        remedy = f"set image_format = {' or '.join(others)}, or {remedy}"
    return {
        side: f"is {pixels}; {image_format} holds at most {longest} pixels a side: {remedy}"
        for side, pixels in sides.items()
        if pixels > longest
    }


def restored_problem(size: Size, image_format: str) -> str | None:
    """Why the edit of an image of this size cannot be put back to that size; None if it can.

    Args:
        image_format: of the edit.
    """
    problems = format_problems(size, image_format)
    if not problems:
        return None
    longest = LONGEST_SIDES[image_format]
    return (
        f"has {size} pixels, and {image_format} holds at most {longest} a side: its edit cannot "
        "get that size (restore_size); set image_format = png, or restore_size = false"
    )


def _holds(image_format: str, size: Size) -> bool:
    return max(size.width, size.height) <= LONGEST_SIDES.get(image_format, MAX_SIDE)
