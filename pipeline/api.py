"""A run and its corpus from Python: `from pipeline import Corpus, run`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.rows import table_of
from pipeline.corpora.flags import Flags, write_flags
from pipeline.corpora.refilter import refilter
from pipeline.errors import UserError
from pipeline.execute import execute
from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.output.records import from_parquet
from pipeline.output.run.run_file import RUN_FILE
from pipeline.settings import load_config
from pipeline.storage.addresses import normalized
from pipeline.storage.files import Location, location, write_bytes
from pipeline.storage.regular import read_file
from pipeline.view.notebook import Cell, Grid
from pipeline.view.pictures import Pictures
from pipeline.view.rows import FinishedRows, finished_rows
from pipeline.view.sources import SourceFinder

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

KEYWORDS = "settings"
"""Where settings come from that are arguments, as messages name it."""

ORIGIN = {b"muse_batch": b"rows given in memory"}
"""Metadata of the files of such rows."""


def run(
    manifest: Any,
    output: str | Path = "out",
    *,
    adopt: bool = False,
    config: str | Path | None = None,
    **settings: Any,
) -> Corpus:
    """Make the corpus of a manifest; the same call resumes it after an interruption.

    Args:
        manifest: the path or URL of a manifest; or its rows, as a list of dicts, an Arrow table,
            or a DataFrame of pandas or polars, which are written to `OUTPUT.manifest.parquet`.
        output: a folder, or a URL of an object store.
        adopt: resume in spite of differences that cannot change the images.
        config: a TOML file of settings.
        settings: any setting by its name, tables as dicts: `engine="null"`,
            `method={"steps": 20}`. All of them: `muse-batch config`.

    Raises:
        UserError, ManifestError: a mistake in what was given.
        RunStopped: the run cannot go on; the same call resumes it.
    """
    chosen = load_config(Path(config) if config else None, [], _plain(settings), KEYWORDS)
    where = location(_address(output), chosen.store_timeout_s)
    named = isinstance(manifest, str | Path)
    path = normalized(str(manifest)) if named else _written(table_of(manifest), where)
    execute(path, where, chosen, _warn, adopt)
    return Corpus(output)


def _plain(value: Any) -> Any:
    """Settings in Python's own types: scalars of numpy and paths are what they stand for."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def _address(output: Any) -> str:
    """
    Raises:
        UserError: it names no folder.
    """
    if not isinstance(output, str | Path) or not str(output).strip():
        raise UserError(f"output is {output!r}; give a folder, or a URL of an object store")
    return str(output)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def _written(table: pa.Table, output: Location) -> str:
    """The path of the rows as a file beside the output, which a later call resumes with.

    Raises:
        UserError: the output was begun with other rows, or a file of another origin is there.
    """
    data = _encoded(table)
    path = location(f"{str(output).rstrip('/')}.manifest.parquet")
    if path.exists():
        before = _rows_in(read_file(path))
        if before is not None and _have_same_rows(before, data):
            # The run goes on with the file that it began with, whatever wrote it.
            return str(path)
        if (output / RUN_FILE).exists():
            raise UserError(
                f"{output} was begun with other rows, which {path} holds; give another output"
            )
        if before is None or not ORIGIN.items() <= (before.schema.metadata or {}).items():
            raise UserError(f"{path} exists, and no earlier call wrote it; give another output")
    write_bytes(path, data)
    return str(path)


def _encoded(table: pa.Table) -> bytes:
    """A table as a parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(ORIGIN), sink)
    return sink.getvalue().to_pybytes()


def _rows_in(data: bytes) -> pa.Table | None:
    """The table in a file; None if it is no parquet file."""
    try:
        return from_parquet(data)
    except (pa.ArrowException, OSError):
        return None


def _have_same_rows(before: pa.Table, data: bytes) -> bool:
    """Whether a table is that of a parquet file.

    Both are written again alike, because files differ by the version of pyarrow that wrote them,
    and tables that are equal differ in their own eyes where they have NaN.
    """
    first, second = before.combine_chunks(), from_parquet(data).combine_chunks()
    return _encoded(first) == _encoded(second)


@dataclass(frozen=True)
class CorpusSample:
    """A finished request.

    Attributes:
        metadata: its columns; docs/columns.md describes them.
        encoded: the image file; None if no image was made or kept.
    """

    metadata: Mapping[str, Any]
    encoded: bytes | None = field(repr=False)

    @property
    def key(self) -> str:
        return str(self.metadata["key"])

    @property
    def image(self) -> Image | None:
        """The picture, RGB; None if no image was made or kept."""
        from PIL import Image

        return None if self.encoded is None else Image.open(io.BytesIO(self.encoded)).convert("RGB")


class Corpus:
    """What is finished of a run, also while it is in progress; as it was when this was made.

    Args:
        output: the folder of a run, or its URL on an object store.

    Raises:
        UserError: not the output of a run, damaged, or nothing is finished yet.
    """

    def __init__(self, output: str | Path):
        self.location = location(_address(output))
        self._rows: FinishedRows = finished_rows(self.location)
        # One for all samples, because it reads each shard whole before its first picture.
        self._pictures = Pictures(self.location)

    @property
    def complete(self) -> bool:
        """Whether every request of the run is finished."""
        return self._rows.run.complete

    def __len__(self) -> int:
        """How many requests are finished."""
        return self._rows.count

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"of {self._rows.run.requests} planned"
        return f"<Corpus {self.location}: {len(self)} requests, {state}>"

    @cached_property
    def metadata(self) -> pandas.DataFrame:
        """A row for each finished request, in the order of the plan; needs pandas."""
        names = self._rows.schema.names
        return pa.concat_tables(table for _, table in self._rows.tables(names)).to_pandas()

    def samples(
        self, status: str | None = ACCEPTED, emotion: str | None = None
    ) -> Iterator[CorpusSample]:
        """Samples in the order of the plan, read from the shards one at a time.

        Args:
            status: `accepted`, `rejected` or `failed`; None for all of them.
            emotion: the target; None for all, mixtures among them.

        Raises:
            UserError: no such status or emotion.
        """
        self._refuse_unknown("status", status, STATUSES)
        self._refuse_unknown("emotion", emotion, self._rows.run.config["taxonomy"]["labels"])
        return self._samples(status, emotion)

    def _refuse_unknown(self, name: str, value: str | None, known: Sequence[str]) -> None:
        if value is not None and value not in known:
            raise UserError(f"{name} is {value!r}; choose {', '.join(known)}, or None for all")

    def _samples(self, status: str | None, emotion: str | None) -> Iterator[CorpusSample]:
        for part, table in self._rows.tables(self._rows.schema.names):
            for row in table.to_pylist():
                if status in (None, row["status"]) and emotion in (None, row["emotion"]):
                    yield CorpusSample(row, self._pictures.encoded(part, row))

    def __iter__(self) -> Iterator[CorpusSample]:
        """The accepted samples."""
        return self.samples()

    def __getitem__(self, key: str) -> CorpusSample:
        """The sample with that key.

        Raises:
            KeyError: no finished request has it.
        """
        position = self._rows.position_of(key)
        if position is None:
            raise KeyError(key)
        part, row = self._rows.take([position])[position]
        return CorpusSample(row, self._pictures.encoded(part, row))

    def source(self, sample: CorpusSample) -> Image | None:
        """What was edited, as it was cropped; None if it is not there any more, or never was."""
        return SourceFinder(self._rows.run, self._rows.output).source(sample.metadata).image

    def show(
        self, count: int = 24, status: str | None = ACCEPTED, emotion: str | None = None
    ) -> Grid:
        """The first samples, edits beside their sources, as a grid that a notebook displays."""
        sources = SourceFinder(self._rows.run, self._rows.output)
        cells = []
        for sample in islice(self.samples(status, emotion), count):
            cells.append(Cell(sample.metadata, sample.image, sources.source(sample.metadata).image))
        return Grid(cells)

    def refilter(
        self, output: str | Path, flags: Mapping[str, str] | None = None, **settings: Any
    ) -> Corpus:
        """Another corpus of these samples, under other thresholds, without a model.

        Args:
            flags: `accept` or `reject` by key, which go before the thresholds; they are kept in
                `OUTPUT.flags.parquet`.
            settings: the thresholds that change, as `min_confidence=0.8`.

        Raises:
            UserError: the corpus is not complete, or a setting would need new images.
        """
        by_hand = None
        where = location(_address(output))
        if flags:
            by_hand = location(f"{str(output).rstrip('/')}.flags.parquet")
            write_flags(by_hand, Flags(self._rows.run.fingerprint, flags))
        refilter(self.location, where, [], _plain(settings), _warn, by_hand, KEYWORDS)
        return Corpus(output)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.show(12)._repr_html_()}"
