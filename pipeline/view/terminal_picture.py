"""A picture in the terminal: by kitty's or the sixel protocol where it has one, else in blocks."""

from __future__ import annotations

import logging
import os
import sys

from muse.images import decode

COLUMNS = 48
"""Width of a picture in characters."""


def print_picture(encoded: bytes) -> bool:
    """Print a picture if this is a terminal that has a size; returns whether it is one.

    Raises:
        UnreadableImageError: it cannot be decoded.
    """
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return False
    # Those of programs that drive others may have none.
    if 0 in os.get_terminal_size(sys.stdout.fileno()):
        return False
    from rich.console import Console

    # It logs a traceback when a terminal does not answer, which means no more than blocks.
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    # On import, it asks the terminal what it can show.
    from textual_image.renderable import Image

    console = Console()
    console.print(Image(decode(encoded), width=min(COLUMNS, console.width), height="auto"))
    return True
