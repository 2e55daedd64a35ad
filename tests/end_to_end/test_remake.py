"""run.json and KEY.json are enough to make a sample again, without the run's own code."""

import hashlib
import io
import json
import tarfile

import pytest
import torch
from PIL import Image

from muse.classifiers import load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.emotions import Target
from muse.engine import MuseEngine
from muse.images import to_tensor
from muse.mini import WEIGHTS
from muse.request import Request
from pipeline.generation.source_images import open_image
from pipeline.settings import revised
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
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    with tarfile.open(tmp_path / "out" / "shards" / "00000000.tar") as archive:
        names = [name for name in archive.getnames() if name.endswith(".json")]
        samples = [json.load(archive.extractfile(name)) for name in names]
    assert len(samples) == 3
    for role, folder in ROLES.items():
        assert run["parts"]["models"][role]["sha256"] == sha256_folder(WEIGHTS / folder)

    config, requests = revised(run["config"], [], {}), []
    for sample in samples:
        source = None
        if sample["source_image"]:
            data = (tmp_path / sample["source_image"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == sample["source_sha256"]
            source = to_tensor(open_image(data, 64).image)
        target = Target.of({k: w for k, w in sample["target"].items() if w}, config.taxonomy)
        prompts = (sample["prompt"], target, sample["seed"], sample["negative_prompt"])
        requests.append(Request(*prompts, source))
    engine = MuseEngine(
        load_backbone(WEIGHTS / "diffusion", dtype=config.dtype, tiny_vae=config.tiny_vae),
        load_classifier(WEIGHTS / "guide", config.taxonomy),
        ClipSimilarity.from_pretrained(WEIGHTS / "clip"),
        config.method,
        config.slots,
    )
    with tarfile.open(tmp_path / "out" / "shards" / "00000000.tar") as archive:
        for sample, made in zip(samples, engine.run(requests), strict=True):
            assert sample["micro_batch_size"] == len(requests)
            stored = Image.open(io.BytesIO(archive.extractfile(sample["file"]).read()))
            assert stored.tobytes() == made.pixels.numpy().tobytes()
