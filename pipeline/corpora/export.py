"""A complete corpus in a form that other tools read: class folders, parquet with images, Lance."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpora.corpus import finished_run, read_results, schema_of
from pipeline.corpora.sources import reading
from pipeline.errors import UserError
from pipeline.generation.results import Result
from pipeline.generation.verdicts import ACCEPTED
from pipeline.output.integrity import refuse_damage
from pipeline.output.rows import json_value, layout_of
from pipeline.output.run.run_file import RunFile
from pipeline.output.sample_files import SampleFormat, class_names
from pipeline.storage.files import Location
from pipeline.storage.new_folder import new_folder
from pipeline.storage.remote import Remote
from pipeline.storage.targets import refuse_target

GROUP_ROWS = 100
"""Samples in memory at a time, and in a row group of a parquet file."""

FILE_ROWS = 10_000
"""Samples in a parquet file."""

RESERVED = ("image", "label", "file_name")
"""Columns of the export; a further column of the manifest with such a name gets a prefix."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Content:
    """What is exported: accepted samples as rows.

    Attributes:
        schema: of a row: `image` (a struct of `bytes` and `path`), `label`, then the columns of the
            metadata. It has the features that `datasets` reads: an Image, a ClassLabel.
        classes: the names of the values of `label`.
        count: of the rows.
        groups: the rows in plan order, at most `GROUP_ROWS` together.
    """

    schema: pa.Schema
    classes: Sequence[str]
    count: int
    groups: Iterator[Rows]

    def batches(self) -> Iterator[pa.RecordBatch]:
        for rows in self.groups:
            yield pa.RecordBatch.from_pylist(rows, schema=self.schema)


def export(source: Location, form: str, output: Location) -> int:
    """Write the accepted samples of a complete corpus to the new folder `output`.

    The source is checked whole before anything is written. The folder appears when it is complete.

    Args:
        form: one of `FORMS`.

    Returns:
        How many samples were written.

    Raises:
        UserError: an unknown form, a source that is incomplete, damaged or being written, an
            output that exists, lies in a corpus or is on an object store, or a library that is not
            installed.
        OSError: with the path and the bytes that were written, or with that of the source.
    """
    if form not in FORMS:
        raise UserError(f"--to {form}: choose {', '.join(FORMS)}")
    if isinstance(output, Remote):
        raise UserError(f"{output}: an export is written to a local folder; copy it from there")
    if output.exists():
        raise UserError(f"{output} exists; give a folder that does not exist yet")
    refuse_target(output)
    with reading(source):
        run = finished_run(source)
        refuse_damage(source, run)
        content = _content(source, run)
        with new_folder(output) as part:
            FORMS[form](content, part)
    return content.count


def _content(source: Location, run: RunFile) -> Content:
    assert run.counts is not None
    layout = layout_of(schema_of(source, run))
    form = SampleFormat(layout, run.config["image_format"], run.config["taxonomy"]["labels"])
    classes = class_names(form.labels, bool(run.counts["mixtures"]))
    schema, as_text = _schema(layout.schema, classes)
    accepted = (
        _row(result, form, as_text)
        for result in _results(source, run)
        if result.record["status"] == ACCEPTED
    )
    return Content(schema, classes, run.counts["accepted"], _grouped(accepted))


def _results(source: Location, run: RunFile) -> Iterator[Result]:
    """Every result of the corpus.

    Raises:
        OSError: always with a path, so that it is not taken for an error of the export.
    """
    try:
        for _, results in read_results(source, run):
            yield from results
    except OSError as error:
        if isinstance(error, UserError) or error.filename:
            raise
        reason = f"{error.strerror or error}; while reading"
        raise OSError(error.errno or errno.EIO, reason, str(source)) from error


def _grouped(rows: Iterator[dict[str, Any]]) -> Iterator[Rows]:
    group: Rows = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _row(result: Result, form: SampleFormat, as_text: frozenset[str]) -> dict[str, Any]:
    row = {}
    for name, value in result.record.items():
        text = name in as_text and value is not None
        row[_column(name)] = json.dumps(json_value(value)) if text else value
    picture = {"bytes": result.image, "path": form.image_name(row["key"])}
    return {"image": picture, "label": form.class_index(row), **row}


def _column(name: str) -> str:
    return f"manifest_{name}" if name in RESERVED else name


def _schema(metadata: pa.Schema, classes: Sequence[str]) -> tuple[pa.Schema, frozenset[str]]:
    """The schema of the rows, and the columns whose values are written as JSON text."""
    datasets = _library("datasets")
    from datasets.features.features import generate_from_arrow_type

    features: dict[str, Any] = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=list(classes)),
    }
    as_text = set()
    for field in metadata:
        try:
            features[_column(field.name)] = generate_from_arrow_type(field.type)
        except ValueError:
            # `datasets` has no type for maps and a few others.
            features[_column(field.name)] = datasets.Value("string")
            as_text.add(field.name)
    return datasets.Features(features).arrow_schema, frozenset(as_text)


def _library(name: str) -> Any:
    """
    Raises:
        UserError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise UserError(
            f'the library {name} is not installed: pip install "muse-batch[export]"'
        ) from None


def _write_imagefolder(content: Content, folder: Path) -> None:
    """`CLASS/KEY.png`, as torchvision reads it, and `metadata.parquet`, which `datasets` adds.

    Classes without an image have no folder: torchvision refuses empty ones.
    """
    names = folder_names(content.classes)
    # `datasets` finds the image of a row by `file_name`, relative to the metadata.
    fields = [pa.field("file_name", pa.string()), *list(content.schema)[1:]]
    with pq.ParquetWriter(folder / "metadata.parquet", pa.schema(fields)) as writer:
        for rows in content.groups:
            for row in rows:
                picture = row.pop("image")
                row["file_name"] = f"{names[row['label']]}/{picture['path']}"
                file = folder / row["file_name"]
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(picture["bytes"])
            writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))


def folder_names(classes: Sequence[str]) -> list[str]:
    """Class names as names of folders: different ones, without a character that may be special."""
    names: list[str] = []
    for name in classes:
        plain = re.sub(r"[^\w .+-]", "_", name).strip(" .")[:100] or "class"
        free, count = plain, 2
        while free.casefold() in {other.casefold() for other in names}:
            free, count = f"{plain}_{count}", count + 1
        names.append(free)
    return names


def _write_parquet(content: Content, folder: Path) -> None:
    """`data/train-00000-of-00002.parquet` and so on, each with the features of `datasets`."""
    data = folder / "data"
    data.mkdir()
    files = max(1, -(-content.count // FILE_ROWS))
    batches = content.batches()
    for number in range(files):
        file = data / f"train-{number:05d}-of-{files:05d}.parquet"
        with pq.ParquetWriter(file, content.schema) as writer:
            for _ in range(FILE_ROWS // GROUP_ROWS):
                if (batch := next(batches, None)) is not None:
                    writer.write_batch(batch)


def _write_lance(content: Content, folder: Path) -> None:
    """A Lance data set of the same columns, the encoded image as plain bytes."""
    lance = _library("lance")
    fields = [pa.field("image", pa.large_binary()), *list(content.schema)[1:]]
    schema = pa.schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in content.groups:
            plain = [{**row, "image": row["image"]["bytes"]} for row in rows]
            yield pa.RecordBatch.from_pylist(plain, schema=schema)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    lance.write_dataset(reader, str(folder), mode="create")


FORMS: dict[str, Callable[[Content, Path], None]] = {
    "imagefolder": _write_imagefolder,
    "parquet": _write_parquet,
    "lance": _write_lance,
}
"""What `--to` takes."""
