"""Write the examples: `python -m jobs.make_examples [--parti PartiPrompts.tsv]`.

The demo has requests for generation and editing with the embedded model; its source images are
rendered scenes.
"""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from manifests import EXAMPLES
from muse.emotions import MIKELS
from muse.mini.world.captions import content_prompt
from muse.mini.world.contents import leaning
from muse.mini.world.render import render
from muse.mini.world.scene import sample_scene

GENERATED = [
    ("beach", "dog"),
    ("cemetery", "pumpkin"),
    ("street", "car"),
    ("canyon", "castle"),
    ("pond", "duck"),
]
EDITED = [("snowy mountain", "christmas tree"), ("amusement park", "cat"), ("railroad", "lion")]


def write_demo(folder: Path) -> None:
    """64 requests: five contents to generate and three images to edit, for all eight emotions."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    everything = list(MIKELS.labels)
    rows = [
        {
            "id": f"make-{place.replace(' ', '-')}",
            "prompt": content_prompt(place, subject),
            "image": None,
            "place": place,
        }
        for place, subject in GENERATED
    ]
    rng = Random(2)
    for place, subject in EDITED:
        name = f"images/{place.replace(' ', '-')}.png"
        # A source image has the emotion that its content evokes by itself.
        scene = sample_scene(rng, place, subject, [leaning(place, subject)])
        render(scene).save(folder / name, optimize=True)
        edit_id = f"edit-{place.replace(' ', '-')}"
        rows.append(
            {"id": edit_id, "prompt": content_prompt(place, subject), "image": name, "place": place}
        )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("prompt", pa.string()),
            ("image", pa.string()),
            ("emotion", pa.list_(pa.string())),
            ("place", pa.string()),
        ]
    )
    pq.write_table(
        pa.Table.from_pylist([{**row, "emotion": everything} for row in rows], schema),
        folder / "demo.parquet",
    )


def write_parti(table: Path, folder: Path) -> None:
    """PartiPrompts as a manifest, for real Stable Diffusion; emotions are those of the run."""
    with open(table, newline="") as handle:
        rows = [
            {
                "id": f"parti-{i:04d}",
                "prompt": row["Prompt"],
                "category": row["Category"],
                "challenge": row["Challenge"],
            }
            for i, row in enumerate(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
        ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "parti_prompts.parquet", compression="zstd")


def main(parti: Path | None = None, folder: Path = EXAMPLES) -> None:
    """Write the demo and, given their TSV file, PartiPrompts."""
    write_demo(folder)
    if parti is not None:
        write_parti(parti, folder)


if __name__ == "__main__":
    typer.run(main)
