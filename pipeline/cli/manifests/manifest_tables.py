"""What `muse-batch manifest show` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.cli.console import echo
from pipeline.cli.manifests.plan_table import (
    image_facts,
    mask_facts,
    print_requests,
    print_sizes,
)
from pipeline.cli.tables import WIDTH, print_counts, print_facts

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.planning.manifest_summary import ManifestSummary

MAX_WORDS = 100
"""Unknown words that are listed with their rows and the nearest known; the others are named."""

MAX_PROMPT = 120
"""Characters of a prompt that are printed."""

RANGES = ((1, 5), (6, 20), (21, 100), (101, 1 << 30))
"""Tokens that are cut off, from and to, for which rows are counted together."""


def print_summary(summary: ManifestSummary, config: Config) -> None:
    """Tables of a manifest's requests, of what is odd about its rows, and of its images."""
    print_requests(summary, config)
    print_facts("The manifest", dict(_facts(summary)))
    print_facts("Prompts", dict(_prompts(summary)))
    if summary.cut_prompts:
        print_counts("Prompts that are cut, by tokens", ("rows",), list(_cut(summary)))
    if summary.unknown_words:
        from muse.mini.vocabulary import description
        from pipeline.planning.checks.prompt_check import ranked_words

        ranked = ranked_words(summary.unknown_words)
        listed = ", ".join(_words(summary, ranked))
        title = "Words the embedded model does not know, with the number of their rows"
        echo(textwrap.fill(f"{title}: {listed}", WIDTH) + "\n")
        if others := ranked[MAX_WORDS:]:
            echo(textwrap.fill(f"The others: {', '.join(others)}", WIDTH) + "\n")
        for paragraph in description():
            echo(textwrap.fill(paragraph, WIDTH))
        echo("")
    print_sizes(summary.images, config)


def _facts(summary: ManifestSummary) -> Iterator[tuple[str, str]]:
    yield "rows", f"{summary.manifest.rows:,}"
    yield "requests", f"{summary.requests:,}"
    for field in summary.manifest.extra:
        yield f"column {field.name}", f"{field.type}, stored with the samples"
    if summary.repeated:
        rows = [f"row {row} repeats row {earlier}" for row, earlier in summary.repeated_rows]
        more = summary.repeated - len(rows)
        listed = "; ".join(rows) + (f"; and {more:,} more" if more else "")
        yield "repeated rows", f"{summary.repeated:,}: {listed}"
    if summary.images:
        yield "source images", ", ".join(image_facts(summary.images))
    yield from mask_facts(summary)
    for problem in summary.problems[:5]:
        yield "unusable image", str(problem)


def _prompts(summary: ManifestSummary) -> Iterator[tuple[str, str]]:
    """The first prompts, cut to about two lines."""
    for row, prompt in summary.examples.items():
        cut = prompt if len(prompt) <= MAX_PROMPT else f"{prompt[:MAX_PROMPT]}..."
        yield f"row {row}", " ".join(cut.split())


def _cut(summary: ManifestSummary) -> Iterator[tuple[str, tuple[int]]]:
    """Ranges of tokens that are not read, and how many rows have a prompt of which so many are."""
    for low, high in RANGES:
        counts = [rows for tokens, rows in summary.cut_prompts.items() if low <= tokens <= high]
        if counts:
            name = f"{low} to {high}" if (low, high) != RANGES[-1] else f"more than {low - 1}"
            yield name, (sum(counts),)


def _words(summary: ManifestSummary, ranked: Sequence[str]) -> Iterator[str]:
    """The commonest unknown words with their rows and the nearest known."""
    from muse.mini.vocabulary import with_nearest

    for word in ranked[:MAX_WORDS]:
        yield f"{with_nearest(word)} {summary.unknown_words[word]:,}"
