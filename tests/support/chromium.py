"""Pages in a real, headless Chromium, which makes no connection but those of the pages."""

from __future__ import annotations

import importlib.resources
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")

TIMEOUT_S = 60

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="Chromium is not installed (apt-get install chromium)"
)


@contextmanager
def started() -> Iterator[Any]:
    """A browser with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, headless=True, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page, and what went on in it.

    Attributes:
        problems: messages of its console, errors of its scripts and dialogs.
        requests: the addresses that were asked for.
    """

    def __init__(self, browser: Any, width: int = 1280, height: int = 900, scheme: str = "light"):
        viewport = {"width": width, "height": height}
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def wait_until(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true.

        Playwright's own function for that evaluates text in the page, which its policy forbids.
        """
        deadline = time.monotonic() + TIMEOUT_S
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            self.page.wait_for_timeout(20)

    def is_within_its_width(self) -> bool:
        """Whether nothing of the page is cut or has to be scrolled to sideways."""
        width = "document.documentElement"
        return self.page.evaluate(f"{width}.scrollWidth <= {width}.clientWidth")

    def accessibility_problems(self) -> list[str]:
        """What axe-core finds wrong with the page as it is."""
        folder = importlib.resources.files("axe_playwright_python")
        # By the debugger, which the page's own policy of scripts does not bind.
        self.page.evaluate((folder / "axe.min.js").read_text() + "; undefined")
        found = self.page.evaluate("axe.run(document)")
        return [
            f"{rule['id']}: {node['html'][:200]} {node['any'][:1]}"
            for rule in found["violations"]
            for node in rule["nodes"][:5]
        ]


def text_of_pdf(file: Path) -> list[str]:
    """The text of each page of a PDF."""
    import pypdfium2

    with pypdfium2.PdfDocument(file) as document:
        return [page.get_textpage().get_text_range() for page in document]
