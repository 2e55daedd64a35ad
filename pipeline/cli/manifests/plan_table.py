"""What `muse-batch plan` prints for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.cli.tables import print_counts, print_facts

if TYPE_CHECKING:
    from muse.sizes import Size
    from pipeline.config import Config
    from pipeline.forecast.forecast import Range
    from pipeline.planning.dry_run import DryRun
    from pipeline.planning.manifest_summary import ManifestSummary, SourceImages
    from pipeline.planning.request_sizes import RequestSizes

MAX_MIXTURES, MAX_SIZES = 12, 8
"""Of each so many are listed; the others are summed up."""


def print_plan(planned: DryRun, config: Config) -> None:
    """Tables of the requests by emotion, of the whole, and of the images by size."""
    print_requests(planned.contents, config)
    print_facts("The run", dict(_facts(planned, config)))
    print_facts("Forecast", dict(_forecast(planned)))
    print_generated_sizes(planned.contents.request_sizes)
    print_sizes(planned.contents.images, config)


def print_requests(contents: ManifestSummary, config: Config) -> None:
    """A table of the requests by emotion and task."""
    generate, edit = contents.generate, contents.edit
    names = _ordered(contents.emotions, config.taxonomy.labels)
    rows = [(name, (generate.get(name, 0), edit.get(name, 0))) for name in names]
    cut = summed(rows, len(config.taxonomy) + MAX_MIXTURES, "other mixtures")
    print_counts("Requests by emotion", ("generate", "edit"), cut)


def print_generated_sizes(sizes: RequestSizes) -> None:
    """A table of the requests without a source image by size, if they are of several."""
    if len(sizes.generate) > 1:
        _print_sizes("Generated images by size", "requests", sizes.generate)


def print_sizes(images: SourceImages | None, config: Config) -> None:
    """A table of the source images by size, if there are any, and one of their edits."""
    if images and images.sizes:
        _print_sizes("Source images by size", "rows", images.sizes)
        if images.made_at:
            # Another model, which was not named yet, may make other sizes.
            whose = " (embedded model)" if config.draws_embedded else ""
            _print_sizes(f"Edits by size{whose}", "rows", images.made_at)


def _print_sizes(title: str, column: str, sizes: Mapping[Size, int]) -> None:
    """A table of how many there are of each size, the commonest first."""
    from pipeline.planning.request_sizes import ranked

    rows = [(name.replace("x", " x "), (count,)) for name, count in ranked(sizes).items()]
    print_counts(title, (column,), summed(rows, MAX_SIZES, "others"))


def _ordered(emotions: Mapping[str, int], labels: Iterable[str]) -> list[str]:
    """Emotions in the order of the taxonomy, then mixtures, the commonest first."""
    mixtures = sorted(emotions.keys() - {*labels}, key=lambda name: (-emotions[name], name))
    return [*(label for label in labels if label in emotions), *mixtures]


def summed(
    rows: Sequence[tuple[str, Sequence[int]]], most: int, others: str
) -> Sequence[tuple[str, Sequence[int]]]:
    """The first rows, and the sums of the others under that name."""
    if len(rows) <= most:
        return rows
    columns = zip(*(counts for _, counts in rows[most:]), strict=True)
    name = f"{others} ({len(rows) - most})"
    return [*rows[:most], (name, tuple(sum(column) for column in columns))]


def _facts(planned: DryRun, config: Config) -> Iterator[tuple[str, str]]:
    from pipeline.planning.disk_estimate import as_text

    yield "rows of the manifest", f"{planned.contents.manifest.rows:,}"
    yield "requests", f"{planned.requests:,}"
    yield "batches", f"{planned.batches:,} of up to {config.batch_size:,} requests"
    yield "shards", f"at most {planned.shards_at_most:,}, of up to {config.shard_size:,} samples"
    if disk := planned.disk:
        # Edits keep their photograph's aspect: a table lists their sizes.
        images = planned.contents.images
        edits = "; edits as listed below" if images and images.made_at else ""
        if images and config.restore_size:
            edits = "; edits at the sizes of their photographs"
        yield "images", f"{_range_of(disk.sizes)}{edits}, {disk.image_format}"
        size = f"{as_text(disk.low)} to {as_text(disk.high)}"
        yield "disk", f"about {size} if all are accepted (an estimate)"
    else:
        yield "disk", "not known: the model is not on this machine"
    if planned.contents.images:
        yield "source images", ", ".join(image_facts(planned.contents.images))
    yield from mask_facts(planned.contents)
    if config.quota:
        yield "quota", f"at most {config.quota:,} accepted samples for each {config.quota_by}"


def _range_of(sizes: Iterable[Size]) -> str:
    """A size in words, or the smallest and the largest of several."""
    first, *others = sorted(sizes, key=lambda size: (size.area, size))
    if not others:
        return f"{first} pixels"
    return f"{first} to {others[-1]} pixels ({len(others) + 1} sizes)"


def image_facts(images: SourceImages) -> Iterator[str]:
    yield f"{images.local:,} row(s) with a local one"
    if images.remote:
        yield f"{images.remote:,} with a remote one ({images.remote_fetched:,} of them checked)"
    if images.cut:
        yield f"the edges of {images.cut:,} are cut off"
    if images.unusable:
        yield f"{images.unusable:,} unusable"


def mask_facts(contents: ManifestSummary) -> Iterator[tuple[str, str]]:
    """How many edits change only a part of their image, if any do."""
    if contents.masked:
        yield "masks", f"{contents.masked:,} of {sum(contents.edit.values()):,} edits have one"


def _forecast(planned: DryRun) -> Iterator[tuple[str, str]]:
    """Time, GPU-hours and cost; or how to get to know them."""
    from pipeline.forecast.forecast import duration

    expected = planned.forecast
    if expected is None:
        yield "time", "not known; `muse-batch try` measures a few images"
        return
    time = _ranged(expected.seconds, duration)
    yield "time", f"{time} on {expected.workers:,} worker(s); --workers for another number"
    if expected.gpu_hours.middle:
        yield "GPU-hours", _ranged(expected.gpu_hours, "{:,.1f}".format)
        without = "not known; give --price, that of a GPU for an hour"
        yield "cost", _ranged(expected.cost, "{:,.2f}".format) if expected.cost else without
    yield "measured by", expected.basis
    if expected.assumes:
        yield "assumes", expected.assumes
    for number, caveat in enumerate(expected.caveats, 1):
        yield f"caveat {number}", caveat


def _ranged(limits: Range, text: Callable[[float], str]) -> str:
    return f"{text(limits.middle)} ({text(limits.low)} to {text(limits.high)})"
