"""Pictures in terminals, of which some have no size."""

import os
import pty
import subprocess
import sys
import termios

import pytest

PROGRAM = """
import io, sys
from PIL import Image
from pipeline.view.terminal_picture import print_picture
picture = io.BytesIO()
Image.new("RGB", (8, 8), "red").save(picture, "png")
sys.exit(0 if print_picture(picture.getvalue()) else 3)
"""


@pytest.mark.parametrize(("lines", "columns", "code"), [(40, 100, 0), (0, 0, 3)])
def test_a_picture_is_printed_where_it_has_room(lines, columns, code):
    driver, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (lines, columns))
    shown = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=terminal, stdout=terminal, stderr=terminal, env=shown
    ) as process:
        os.close(terminal)
        printed = b""
        # The end of the last process closes the terminal: EIO.
        while True:
            try:
                part = os.read(driver, 1 << 16)
            except OSError:
                break
            if not part:
                break
            printed += part
    os.close(driver)
    assert process.returncode == code, printed
    assert (b"\x1b[" in printed) == (code == 0)
