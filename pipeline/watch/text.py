"""A run's summary in words: one line for a log, a panel for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.forecast.forecast import Range, duration
from pipeline.generation.verdicts import STATUSES
from pipeline.terminal import percent, printable
from pipeline.watch.summary import Summary

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR, MAX_NAME, MAX_EMOTIONS = 24, 24, 16
"""Characters of a bar and of a name; emotions that have a bar, those that are requested most."""

SILENCE_SECONDS = 600.0
"""Without an entry for so long a run is said to be silent."""

NOT_KNOWN = "not known yet"
LAST_BATCHES = "the last batches"


def statuses(summary: Summary) -> str:
    """How the finished requests ended: `3 accepted, 2 rejected, 0 failed`."""
    return ", ".join(f"{summary.statuses.get(status, 0)} {status}" for status in STATUSES)


def line(summary: Summary, tells_why: bool = True) -> str:
    """The summary in one line.

    Args:
        tells_why: whether the line of a run that has stopped says why.
    """
    accepted = {name: count.accepted for name, count in summary.emotions.items() if count.accepted}
    parts = [f"{summary.done}/{summary.total}", statuses(summary)]
    parts += [" ".join(f"{name} {count}" for name, count in accepted.items())] if accepted else []
    if summary.is_running and summary.workers == 0:
        parts.append(f"workers: {workers(summary)}")
    else:
        parts.append(f"speed {speed(summary)}")
        if summary.is_running:
            parts.append(f"time left {time_left(summary)}")
        elif tells_why:
            parts.append(state(summary))
    if summary.gpu_hours:
        parts.append(cost(summary))
    return printable(" | ".join(parts))


def speed(summary: Summary) -> str:
    """Images a second over the last minutes."""
    known = summary.images_per_second
    return NOT_KNOWN if known is None else f"{known:.2f} images/s"


def time_left(summary: Summary) -> str:
    """The time that is left, with its range."""
    left = summary.seconds_left
    if left is None:
        return NOT_KNOWN
    # All that is left is in work, and takes longer than usual.
    return LAST_BATCHES if left.middle < 1 else ranged(left)


def ranged(seconds: Range) -> str:
    """A time with its range; without one where both ends read alike."""
    low, high = duration(seconds.low), duration(seconds.high)
    middle = duration(seconds.middle)
    return middle if low == high else f"{middle} ({low} to {high})"


def cost(summary: Summary) -> str:
    """GPU-hours, and their cost if a price is known."""
    hours = f"{summary.gpu_hours:,.2f} GPU-hours"
    return hours if summary.cost is None else f"{hours}, cost {summary.cost:,.2f}"


def workers(summary: Summary) -> str:
    """What the workers do, from their start to their first batches and beyond."""
    if summary.workers == 0:
        return _starting(summary)
    found = f"{summary.workers:,} at work"
    if summary.slowest is not None and summary.workers > 1:
        found += f"; slowest {summary.slowest.name}, {summary.slowest.seconds:.2f} s an image"
    return found


def _starting(summary: Summary) -> str:
    """How many workers do what before the first batch is finished."""
    held, unplaced = summary.held or 0, (summary.started or 0) - summary.placed
    waiting = "starting or waiting for a place" if summary.held is None else "waiting for a place"
    steps = [
        (summary.ready, "at work on the first batches"),
        (summary.placed - summary.ready, "loading models"),
        (held, "placed and still loading their code"),
        (unplaced - held, waiting),
    ]
    return ", ".join(f"{count:,} {step}" for count, step in steps if count > 0) or "not started yet"


def state(summary: Summary) -> str:
    """Why no driver is at work."""
    if summary.done >= summary.total:
        return "finished"
    cause = "no driver is at work" if summary.stopped is None else f"stopped: {summary.stopped}"
    # Some causes come with their remedy, as that of a budget.
    return cause if "the same command" in cause else f"{cause}; the same run command resumes it"


def panel(summary: Summary, title: str, tells_why: bool = True) -> RenderableType:
    """The summary for a terminal: a bar of the whole, facts, a bar for each emotion, problems.

    Args:
        tells_why: whether that of a run that has stopped says why.
    """
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    share = summary.done / summary.total if summary.total else 1.0
    head = Text(
        printable(f"{title}  {summary.done:,} of {summary.total:,} ({percent(share)})"), "bold"
    )
    # A bar by itself does not end its line.
    whole = Table.grid(expand=True)
    whole.add_row(ProgressBar(total=max(1, summary.total), completed=summary.done))
    facts = Table.grid(padding=(0, 2))
    for name, fact in _facts(summary, tells_why):
        facts.add_row(Text(name, "dim"), Text(printable(fact)))
    # A short terminal shows the beginning: problems stand before the many lines of emotions.
    parts: list[Any] = [head, whole, facts]
    parts += [Text(printable(f"! {_first_line(text)}"), "yellow") for text in summary.problems]
    if summary.emotions:
        parts.append(Text("accepted, by emotion", "dim"))
        parts.append(_bars(summary))
    return Group(*parts)


def _facts(summary: Summary, tells_why: bool) -> list[tuple[str, str]]:
    facts = [("ended", statuses(summary))]
    if summary.is_running:
        facts += [("speed", speed(summary)), ("time left", time_left(summary))]
        facts.append(("workers", workers(summary)))
    elif tells_why:
        facts.append(("state", state(summary)))
    if summary.gpu_hours:
        facts.append(("cost", cost(summary)))
    silent = summary.silent_seconds or 0.0
    if summary.is_running and silent >= SILENCE_SECONDS:
        facts.append(("silent", f"nothing was logged for {duration(silent)}"))
    return facts


def _bars(summary: Summary) -> Any:
    """Acceptance by emotion: accepted of decided."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    # The most requested are shown, always in the same order, so that no line jumps.
    ranked = sorted(summary.emotions.items(), key=lambda item: (-item[1].decided, item[0]))
    shown = sorted(ranked[:MAX_EMOTIONS])
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(max_width=MAX_NAME, no_wrap=True)
    # Where a terminal is narrow, it is the bar that becomes shorter.
    table.add_column(max_width=BAR)
    table.add_column(no_wrap=True)
    for name, count in shown:
        bar = ProgressBar(total=max(1, count.decided), completed=count.accepted)
        text = f"{count.accepted:,} of {count.decided:,} ({percent(count.share)})"
        table.add_row(Text(printable(name)), bar, Text(text))
    if (more := len(ranked) - MAX_EMOTIONS) > 0:
        table.add_row(Text(f"and {more} more"))
    return table


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:200]
