"""The metadata of a corpus are enough to make its samples again, without the run's own code."""

import hashlib
import io
import tarfile

import pytest
import torch
from PIL import Image

from muse.classifiers import load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.emotions import Target, Taxonomy
from muse.engine import MuseEngine
from muse.images import to_tensor
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Request
from pipeline.generation.source_images import open_image
from pipeline.storage.files import sha256_folder
from tests.support import drive

QUICK = ["--set", "method.steps=5", "--set", "method.max_updates_per_step=2", "--min-confidence", 0]
ROLES = {"model": "diffusion", "guide": "guide", "judge": "judge", "similarity": "clip"}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_batch_is_made_again_from_its_metadata(tmp_path, one_thread):
    """Two generated, one of them with a negative prompt, and an edit: the same pixels."""
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "source.png")
    columns = {"image": [None, None, "source.png"], "negative_prompt": ["", "a cat", ""]}
    prompts = ["a dog in a forest", "a dog on a beach", "a boat by a pond"]
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", prompts, **columns)
    done = drive.run(manifest, tmp_path / "out", "--engine", "muse", "--workers", 1, *QUICK)
    assert done.returncode == 0, done.stderr
    rows = drive.rows(tmp_path / "out")
    first = rows[0]
    for role, folder in ROLES.items():
        assert first["models"][role]["sha256"] == sha256_folder(WEIGHTS / folder)
    assert (first["threads"], first["slots"], first["dtype"], first["batch_size"]) == (
        1,
        0,
        "float32",
        4,
    )
    assert (first["label_map"], first["tiny_vae"], first["compile"]) == (
        "{}",
        "",
        False,
    )

    taxonomy, requests = Taxonomy.of(first["taxonomy"]), []
    for row in rows:
        source = None
        if row["image"]:
            data = (tmp_path / row["image"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == row["image_sha256"]
            source = to_tensor(open_image(data, 64).image)
        target = Target(tuple(row["target"]), taxonomy)
        requests.append(Request(row["prompt"], target, row["seed"], row["negative_prompt"], source))
    engine = MuseEngine(
        load_backbone(WEIGHTS / "diffusion", dtype=first["dtype"], tiny_vae=first["tiny_vae"]),
        load_classifier(WEIGHTS / "guide", taxonomy),
        ClipSimilarity.from_pretrained(WEIGHTS / "clip"),
        Method(**first["method"]),
        first["slots"],
    )
    with tarfile.open(tmp_path / "out" / "shards" / "00000.tar") as archive:
        for row, sample in zip(rows, engine.run(requests), strict=True):
            stored = Image.open(io.BytesIO(archive.extractfile(f"{row['key']}.png").read()))
            assert stored.tobytes() == sample.pixels.numpy().tobytes()
