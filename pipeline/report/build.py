"""`report.html` of a run, complete or in progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pipeline.index.reasons import reason_lines
from pipeline.output.sample_files import MIXTURE
from pipeline.planning.checks.prompt_check import unknown_words_by
from pipeline.report import duplicates
from pipeline.report.cost import cost_of
from pipeline.report.figures import COLUMNS, Figures
from pipeline.report.findings import findings, ordered_targets
from pipeline.report.page import Page, render
from pipeline.report.pixels import EMOSET_NOTE
from pipeline.report.sampling import Chosen, Samples
from pipeline.report.sections import (
    confusion_figure,
    count_figure,
    curve_figure,
    opinion_figure,
    outcome_figure,
    pixel_figures,
    score_figures,
)
from pipeline.report.settings_table import setting_rows
from pipeline.report.tiles import Tile, TileMaker
from pipeline.storage.files import Location, write_bytes
from pipeline.storage.remote import Remote
from pipeline.version import version
from pipeline.view.rows import FinishedRows, finished_rows
from pipeline.view.sources import SourceFinder

REPORT_FILE = "report.html"

MAX_DUPLICATES = 8
"""Pairs of near-duplicates that are shown."""

MAX_NOTES = 20

NOTHING: Mapping[str, str] = MappingProxyType({})

SIZES_ALONE = (
    "The shards are in an object store: their pictures were read without all of their bytes, and "
    "the shards were checked by size alone. `muse-batch verify` reads them whole."
)


def write_report(
    output: Location,
    manifest: str | None = None,
    warn: Callable[[str], None] = lambda _: None,
    measured: Mapping[str, str] = NOTHING,
) -> Location:
    """Make the report of a run and write it into the run's folder; returns where.

    Args:
        manifest: where the manifest is now, if it is not where it was; source images are read
            from there.
        warn: is called with what could not be read, which the report says, too.
        measured: what a trial took, by name: its page is headed as that of a trial.

    Raises:
        UserError: not the output of a run, damaged, or nothing is finished yet.
    """
    html = report_html(finished_rows(output), manifest, warn, measured)
    path = output / REPORT_FILE
    write_bytes(path, html.encode())
    return path


def write_last_report(output: Location, manifest: str, warn: Callable[[str], None]) -> None:
    """The report at the end of a run. The corpus is complete without it: a failure is a warning."""
    try:
        write_report(output, manifest)
    except Exception as error:  # whatever it is, it must not fail the run
        cause = " ".join(str(error).split()) or type(error).__name__
        warn(
            f"the corpus is complete, but its report could not be written ({cause}); "
            f"`muse-batch report {output}` tries again"
        )


def report_html(
    rows: FinishedRows,
    manifest: str | None = None,
    warn: Callable[[str], None] = lambda _: None,
    measured: Mapping[str, str] = NOTHING,
) -> str:
    """The report of what is finished; arguments as of `write_report`."""
    config = rows.run.config
    labels = config["taxonomy"]["labels"]
    figures = Figures(unknown_words=unknown_words_by(config["model"], config["engine"]))
    samples = Samples(labels)
    for part, table in rows.tables(COLUMNS):
        figures.add(table)
        samples.add(part, table)

    # The pictures, those of near-duplicates among them.
    hashed = samples.hashes.by_position()
    count, pairs = duplicates.nearest_pairs([phash for phash, _ in hashed], MAX_DUPLICATES)
    twins = [(hashed[i][1], hashed[j][1], bits) for i, j, bits in pairs]
    maker = TileMaker(rows, SourceFinder(rows.run, rows.output, manifest))
    maker.make(samples.positions() | {position for pair in twins for position in pair[:2]})
    tiles = maker.tiles

    generated = _by_target(samples, samples.generated, tiles)
    edited = _by_target(samples, samples.edited, tiles)
    mixtures, edited_mixtures = generated.pop(MIXTURE, []), edited.pop(MIXTURE, [])
    targets = ordered_targets(labels, figures)
    notes = _notes(rows, maker)
    for note in notes:
        warn(note)
    return render(
        Page(
            made_at=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            version=version(),
            output=str(rows.output),
            run=rows.run,
            figures=figures,
            findings=findings(rows.run, figures, count, len(hashed), is_trial=bool(measured)),
            cost=cost_of(rows.output, rows.run),
            settings=setting_rows(rows.run),
            generated=generated,
            edited=edited,
            mixtures=mixtures,
            edited_mixtures=edited_mixtures,
            rejected=[tiles[position] for position in samples.rejected.by_position()],
            keeps_rejected=rows.run.config["keep_rejected"],
            disagreeing=[tiles[position] for position in samples.disagreeing.by_rank()],
            unlike=_beyond(edited, [tiles[position] for position in samples.unlike.by_rank()]),
            duplicates=[(tiles[one], tiles[other], bits) for one, other, bits in twins],
            duplicate_count=count,
            hashed=len(hashed),
            duplicate_distance=duplicates.DISTANCE,
            outcome=outcome_figure(figures, targets),
            confusion=confusion_figure(figures, labels) if figures.judged else None,
            opinion=opinion_figure(figures, labels) if figures.opinions else None,
            curve=curve_figure(samples),
            attempts=count_figure(figures.attempts, "Attempts", "attempts"),
            starts=count_figure(figures.start_steps, "Where guidance began", "denoising step"),
            scores=score_figures(figures),
            pixels=pixel_figures(tiles.values(), labels),
            reasons=list(reason_lines(figures.endings.as_dict())),
            emoset_note=EMOSET_NOTE,
            notes=notes,
            measured=measured,
        )
    )


def _beyond(shown: Mapping[str, Sequence[Tile]], tiles: Sequence[Tile]) -> Sequence[Tile]:
    """Tiles, unless all of them are shown already."""
    known = {tile.key for of_target in shown.values() for tile in of_target}
    return [] if known.issuperset(tile.key for tile in tiles) else tiles


def _by_target(
    samples: Samples, chosen: Mapping[str, Chosen], tiles: Mapping[int, Tile]
) -> dict[str, list[Tile]]:
    return {
        target: [tiles[position] for position in chosen[target].by_position()]
        for target in samples.targets(chosen)
    }


def _notes(rows: FinishedRows, maker: TileMaker) -> list[str]:
    """What the report could not read."""
    notes: list[Any] = [
        f"{name}: cannot be read; the run makes its batch again" for name in rows.unreadable
    ]
    for cause, keys in maker.problems.items():
        pictures = f"picture of {keys[0]}" if len(keys) == 1 else f"{len(keys)} pictures"
        notes.append(f"{cause} ({pictures} not shown)")
    if isinstance(rows.output, Remote):
        notes.append(SIZES_ALONE)
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more"]
    return notes
