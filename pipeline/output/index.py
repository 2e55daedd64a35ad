"""What makes shards a data set: all metadata in one parquet, the data card, the contact sheet."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.output.markers import read_markers, shard_folder
from pipeline.output.records import from_parquet
from pipeline.output.run_file import RunFile, write_run
from pipeline.storage.files import Location, write_bytes

TILE, COLUMNS, MARGIN, LABEL = 128, 10, 6, 110


def write_metadata(output: Location, schema: pa.Schema, unsharded: list[dict[str, Any]]) -> None:
    """`metadata.parquet`: a row per request of the plan, in its order."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for marker in read_markers(output):
            path = shard_folder(output) / f"{marker.name}.parquet"
            writer.write_table(read_table(path).cast(schema))
        if unsharded:
            writer.write_table(pa.Table.from_pylist(unsharded, schema=schema))
    write_bytes(output / "metadata.parquet", sink.getvalue().to_pybytes())


def read_table(path: Location, columns: list[str] | None = None) -> pa.Table:
    """A parquet file, or some of its columns."""
    return from_parquet(path.read_bytes(), columns)


def tally(output: Location, labels: Sequence[str]) -> dict[str, Any]:
    """Counts of the whole corpus, by status and, for each emotion in the order of `labels`, accepted of requested."""
    table = read_table(output / "metadata.parquet", ["status", "emotion", "task"])
    statuses, tasks, pairs, asked = (
        Counter[str](),
        Counter[str](),
        Counter[tuple[str, str]](),
        Counter[str](),
    )
    for row in table.group_by(table.column_names).aggregate([([], "count_all")]).to_pylist():
        count = row["count_all"]
        statuses[row["status"]] += count
        tasks[row["task"]] += count
        asked[row["emotion"]] += count
        pairs[row["emotion"], row["status"]] += count
    return {
        "requests": table.num_rows,
        **{status: statuses[status] for status in STATUSES},
        "emotions": {
            e: {"requests": asked[e], "accepted": pairs[e, ACCEPTED]} for e in labels if asked[e]
        },
        "tasks": dict(sorted(tasks.items())),
    }


def write_card(output: Location, run: RunFile, counts: dict[str, Any]) -> None:
    """`README.md`, with the `configs:` that make `datasets.load_dataset` read the shards and not the parquet."""
    rows = "\n".join(
        f"| {emotion} | {count['requests']} | {count['accepted']} | {count['accepted'] / count['requests']:.0%} |"
        for emotion, count in counts["emotions"].items()
    )
    models = "\n".join(
        f"| {_cell(role)} | {_cell(model['name'])} | `{model['sha256'][:16]}` |"
        for role, model in run.parts["models"].items()
    )
    how = (
        "Every image is synthetic: generated, or edited from a\nsource image, toward a chosen emotion by MUSE "
        "(arXiv 2511.21051)."
        if run.config["engine"] != "null"
        else "**A dry run**: the null engine drew\nthese images and all their scores from seeds; they show nothing."
    )
    if run.same_judge:
        trust = "**the judge is the guide, which the images were optimised for: its confidence proves nothing**"
    else:
        trust = "the judge took no part in the optimisation"
    card = f"""---
configs:
- config_name: default
  data_files: shards/*.tar
tags:
- synthetic
- emotion
---

# Emotion-augmented images

Made by muse-batch {run.parts["versions"]["muse-batch"]}. {how} A sample is accepted if the judge's confidence in
its target is at least {run.config["min_confidence"]:g}; {trust}.

![contact sheet](contact_sheet.png)

| requests | accepted | rejected | failed |
|---|---|---|---|
| {counts["requests"]} | {counts["accepted"]} | {counts["rejected"]} | {counts["failed"]} |

| emotion | requests | accepted | share |
|---|---|---|---|
{rows}

| role | model | SHA-256 |
|---|---|---|
{models}

`shards/*.tar` hold each sample as KEY.{run.config["image_format"]} (image), KEY.txt (prompt), KEY.cls (index of
the emotion in {", ".join(run.config["taxonomy"]["labels"])}) and
KEY.json (all that is needed to make it again). `metadata.parquet` has a row for every
request, also the rejected and failed ones with their reasons, and the traces. Confidences are those of the judge, a
classifier: they are evidence, not ground truth.

```python
import webdataset
from datasets import load_dataset

data = load_dataset("PATH")
data = webdataset.WebDataset("PATH/shards/00000.tar").decode("pil")
```
"""
    write_bytes(output / "README.md", card.encode())


def _cell(text: str) -> str:
    """Text as one cell of a table, whatever it holds."""
    return "".join(c if c.isprintable() and c not in "|`<>[]" else "?" for c in text)


def _samples(output: Location, wanted: dict[str, str]) -> dict[str, Image.Image]:
    """The images of the wanted samples (key: emotion)."""
    found = {}
    for marker in read_markers(output):
        path = shard_folder(output) / f"{marker.name}.tar"
        with path.open("rb") as handle, tarfile.open(fileobj=handle) as archive:
            for member in archive:
                key, _, suffix = member.name.partition(".")
                if key in wanted and suffix in ("png", "jpg", "webp"):
                    file = archive.extractfile(member)
                    assert file is not None
                    found[key] = Image.open(io.BytesIO(file.read())).convert("RGB")
        if len(found) == len(wanted):
            break
    return found


def write_contact_sheet(output: Location, labels: Sequence[str]) -> None:
    """`contact_sheet.png`: a row per emotion of its first accepted samples, the judge's confidence below each."""
    columns = ["key", "status", "emotion", "judge_confidence", "task"]
    table = read_table(output / "metadata.parquet", columns)
    there = set(pc.unique(table["emotion"]).to_pylist())
    emotions = [emotion for emotion in labels if emotion in there]
    accepted = table.filter(pc.equal(table["status"], ACCEPTED))
    shown = {
        emotion: accepted.filter(pc.equal(accepted["emotion"], emotion))
        .slice(0, COLUMNS)
        .to_pylist()
        for emotion in emotions
    }
    images = _samples(
        output, {row["key"]: emotion for emotion, chosen in shown.items() for row in chosen}
    )
    line = TILE + MARGIN + 16
    sheet = Image.new(
        "RGB",
        (LABEL + COLUMNS * (TILE + MARGIN) + MARGIN, MARGIN + max(1, len(emotions)) * line),
        "white",
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for r, emotion in enumerate(emotions):
        y = MARGIN + r * line
        draw.text((MARGIN, y + TILE // 2 - 8), emotion, "black", font)
        for c, row in enumerate(shown[emotion]):
            x = LABEL + c * (TILE + MARGIN)
            sheet.paste(images[row["key"]].resize((TILE, TILE), Image.Resampling.LANCZOS), (x, y))
            mark = " edit" if row["task"] == "edit" else ""
            draw.text(
                (x + 2, y + TILE),
                f"{row['judge_confidence']:.2f}{mark}",
                "#555555",
                ImageFont.load_default(11),
            )
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_bytes(output / "contact_sheet.png", buffer.getvalue())


def conclude(
    output: Location, run: RunFile, schema: pa.Schema, unsharded: list[dict[str, Any]]
) -> dict[str, Any]:
    """The index of a corpus whose shards are all committed, then its complete `run.json`.

    Args:
        unsharded: records of a corpus without a single shard.

    Returns:
        The counts, as in `run.json`.
    """
    write_metadata(output, schema, unsharded)
    labels = run.config["taxonomy"]["labels"]
    counts = tally(output, labels)
    write_card(output, run, counts)
    write_contact_sheet(output, labels)
    write_run(output, run.finished(counts))
    return counts
