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

from pipeline.corpora.refilter import refilter
from pipeline.errors import UserError
from pipeline.execute import execute
from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.in_memory import written_flags, written_rows
from pipeline.settings import load_config
from pipeline.storage.addresses import normalized
from pipeline.storage.files import location
from pipeline.view.notebook import Cell, Grid
from pipeline.view.pictures import Pictures
from pipeline.view.rows import FinishedRows, finished_rows
from pipeline.view.sources import SourceFinder

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

KEYWORDS = "settings"
"""Where settings come from that are arguments, as messages name it."""


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
    if not isinstance(config, str | Path | None):
        raise UserError(f"config is {config!r}; give the path of a TOML file")
    chosen = load_config(Path(config) if config else None, [], _plain(settings), KEYWORDS)
    where = location(_address(output), chosen.store_timeout_s)
    named = isinstance(manifest, str | Path)
    path = normalized(str(manifest)) if named else written_rows(manifest, where)
    execute(path, where, chosen, _warn, adopt)
    return Corpus(output)


def _plain(value: Any) -> Any:
    """Settings in Python's own types: scalars of numpy and paths are what they stand for."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
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
        if not isinstance(count, int) or count < 0:
            raise UserError(f"count is {count!r}; give a whole number from 0")
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
        where = location(_address(output))
        by_hand = None if flags is None else written_flags(flags, where, self._rows.run)
        refilter(self.location, where, [], _plain(settings), _warn, by_hand, KEYWORDS)
        return Corpus(output)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.show(12)._repr_html_()}"
