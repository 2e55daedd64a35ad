"""Photographs of five aspects, and images of sizes of their own, through models of each shape."""

import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tests.support.corpora import rows_of
from tests.support.families import FAMILIES
from tests.support.local_runs import run_locally

# Photographs, and the sizes of the nearest aspect for a model of 32 x 32 in multiples of 4.
SIZES = {
    (300, 200): (40, 24),
    (200, 300): (24, 40),
    (100, 100): (32, 32),
    (400, 300): (36, 28),
    (480, 150): (64, 16),
}
FLUX_SIZES = [(304, 208), (208, 304), (256, 256), (288, 224), (448, 144)]
"""The same for FLUX, whose own size is 128 latents wide whatever its network."""
METHOD = {"steps": 2, "max_updates_per_step": 1, "timing": "fixed", "timing_level": 0.0}


def _manifest(folder):
    """The photographs to edit, and one row that asks for an image of another size."""
    images = []
    for width, height in SIZES:
        name = f"{width}x{height}.png"
        Image.radial_gradient("L").convert("RGB").resize((width, height)).save(folder / name)
        images.append(name)
    columns = {
        "prompt": ["a dog in a forest"] * 6,
        "image": [*images, None],
        "width": [*[None] * 5, 48],
        "height": [*[None] * 5, 16],
    }
    pq.write_table(pa.table(columns), folder / "m.parquet")
    return folder / "m.parquet"


def _file_sizes(output):
    """Width and height of each sample's image file, by its key."""
    sizes = {}
    for path in (output / "shards").glob("*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".png"):
                    data = archive.extractfile(member).read()
                    sizes[member.name.partition(".")[0]] = Image.open(io.BytesIO(data)).size
    return sizes


@pytest.mark.research
@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("sd1", [*SIZES.values()]),
        ("sdxl", [*SIZES.values()]),
        ("sd3", [*SIZES.values()]),
        ("flux", FLUX_SIZES),
    ],
)
@pytest.mark.parametrize("restore_size", [False, True])
def test_every_photograph_keeps_its_aspect(tokenizer, tmp_path, family, sizes, restore_size):
    torch.manual_seed(0)
    FAMILIES[family](tokenizer).save_pretrained(tmp_path / "model", safe_serialization=True)
    output = tmp_path / "out"
    run_locally(
        _manifest(tmp_path),
        output,
        engine="muse",
        model=str(tmp_path / "model"),
        method=METHOD,
        min_confidence=0.0,
        min_similarity=-1.0,
        min_source_similarity=-1.0,
        batch_size=6,
        restore_size=restore_size,
    )
    rows, files = rows_of(output), _file_sizes(output)
    assert [row["status"] for row in rows] == ["accepted"] * 6
    made = [(row["made_width"], row["made_height"]) for row in rows]
    assert made == [*sizes, (48, 16)]
    stored = [*(SIZES if restore_size else sizes), (48, 16)]
    assert [files[row["key"]] for row in rows] == stored
    assert [(row["width"], row["height"]) for row in rows] == stored
