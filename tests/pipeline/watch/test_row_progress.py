"""What is shown while a large manifest is checked."""

import io

from rich.console import Console

from pipeline.watch.row_progress import EVERY_ROWS, LINE_SECONDS, SLOW_SECONDS, RowProgress

CLEARED = "\x1b[2K"
"""What a terminal gets last when a bar is taken away."""


class _Clock:
    now = 100.0

    def __call__(self):
        return self.now


def _count(progress, clock, seconds):
    """A thousand looks at the clock in so many seconds."""
    with progress:
        for look in range(1, 1001):
            clock.now = 100.0 + seconds * look / 1000
            progress(look * EVERY_ROWS, 1000 * EVERY_ROWS)


def test_a_quick_check_shows_nothing(capsys):
    clock = _Clock()
    _count(RowProgress("checking rows", clock), clock, SLOW_SECONDS - 1)
    assert capsys.readouterr().err == ""


def test_a_log_gets_a_line_now_and_then(capsys):
    clock = _Clock()
    _count(RowProgress("checking rows", clock), clock, SLOW_SECONDS + 2.5 * LINE_SECONDS)
    first, *later = capsys.readouterr().err.splitlines()
    assert len(later) == 2
    assert first.startswith("muse-batch: checking rows: ")
    assert first.endswith(" of 64,000 rows")


def _on_terminal(clock):
    progress = RowProgress("checking rows", clock)
    progress.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    return progress, progress.console


def test_a_terminal_gets_one_bar_which_is_cleared_in_the_end(capsys):
    clock = _Clock()
    progress, terminal = _on_terminal(clock)
    _count(progress, clock, SLOW_SECONDS + 2.5 * LINE_SECONDS)
    shown = terminal.file.getvalue()
    assert "checking rows" in shown
    assert "/64000" in shown
    assert shown.endswith(CLEARED)
    assert capsys.readouterr().err == ""


def test_the_bar_makes_way_after_the_last_row_and_comes_again_for_another_check():
    clock = _Clock()
    progress, terminal = _on_terminal(clock)
    clock.now += SLOW_SECONDS + 1
    for _ in range(2):
        progress(EVERY_ROWS, 2 * EVERY_ROWS)
        assert progress.bar is not None
        progress(2 * EVERY_ROWS, 2 * EVERY_ROWS)
        assert progress.bar is None
        assert terminal.file.getvalue().endswith(CLEARED)


def test_the_bar_of_a_check_that_was_broken_off_is_cleared():
    clock = _Clock()
    progress, terminal = _on_terminal(clock)
    clock.now += SLOW_SECONDS + 1
    with progress:
        progress(EVERY_ROWS, 2 * EVERY_ROWS)
    assert terminal.file.getvalue().endswith(CLEARED)
