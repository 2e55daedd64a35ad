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
from muse.engine.engine import MuseEngine
from muse.fitting import fit_image
from muse.images import decode, to_tensor
from muse.mini import WEIGHTS
from muse.request import Request
from muse.sizes import Size
from pipeline.settings import revised
from pipeline.storage.files import sha256_folder
from tests.support import drive

QUICK = ["--set", "method.steps=5", "--set", "method.max_updates_per_step=2", "--min-confidence", 0]
QUICK += ["--set", "min_similarity=-1", "--set", "min_source_similarity=-1"]
ROLES = {
    "model": "diffusion",
    "guide": "guide",
    "judge": "judge",
    "similarity": "clip",
    "content_judge": "content-clip",
}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _manifest(folder):
    """Two to generate, one of them with a negative prompt, and an edit."""
    Image.radial_gradient("L").convert("RGB").save(folder / "source.png")
    columns = {"image": [None, None, "source.png"], "negative_prompt": ["", "a cat", ""]}
    prompts = ["a dog in a forest", "a dog on a beach", "a boat by a pond"]
    return drive.write_manifest(folder / "manifest.parquet", prompts, **columns)


def _made(*arguments):
    done = drive.command(*arguments)
    assert done.returncode == 0, done.stderr


def _samples(out):
    """Metadata and stored pixels of every sample."""
    for shard in sorted((out / "shards").glob("*.tar")):
        with tarfile.open(shard) as archive:
            for name in archive.getnames():
                if name.endswith(".json"):
                    sample = json.load(archive.extractfile(name))
                    image = Image.open(io.BytesIO(archive.extractfile(sample["file"]).read()))
                    yield sample, image.tobytes()


def _request(sample, taxonomy, folder):
    source, size = None, Size(sample["made_width"], sample["made_height"])
    if sample["source_image"]:
        data = (folder / sample["source_image"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sample["source_sha256"]
        source = to_tensor(fit_image(decode(data), size, sample["resize"]).image)
    target = Target.of({k: w for k, w in sample["target"].items() if w}, taxonomy)
    return Request(
        sample["prompt"], target, sample["seed"], sample["negative_prompt"], source, size
    )


def _engine(config):
    return MuseEngine(
        load_backbone(
            WEIGHTS / "diffusion",
            dtype=config.dtype,
            tiny_vae=config.tiny_vae,
            fitted_tokens=config.fitted_tokens,
        ),
        load_classifier(WEIGHTS / "guide", config.taxonomy),
        ClipSimilarity.from_pretrained(WEIGHTS / "clip"),
        config.method,
        config.slots,
    )


def _check_each_alone(samples, parts, folder):
    """Each sample is made again by itself, from its own metadata and the settings of the run."""
    config = revised(parts["config"], [], {})
    for sample, stored in samples:
        (made,) = _engine(config).run([_request(sample, config.taxonomy, folder)])
        assert made.pixels.numpy().tobytes() == stored


def test_a_batch_is_made_again_from_its_metadata(tmp_path, one_thread):
    """The same pixels."""
    _made("run", _manifest(tmp_path), "-o", tmp_path / "out", "--executor", "local", *QUICK)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    for role, folder in ROLES.items():
        assert run["parts"]["models"][role]["sha256"] == sha256_folder(WEIGHTS / folder)
    config, samples = revised(run["config"], [], {}), list(_samples(tmp_path / "out"))
    assert [sample["micro_batch_size"] for sample, _ in samples] == [3, 3, 3]
    requests = [_request(sample, config.taxonomy, tmp_path) for sample, _ in samples]
    for (_, stored), made in zip(samples, _engine(config).run(requests), strict=True):
        assert made.pixels.numpy().tobytes() == stored


@pytest.mark.research
def test_samples_that_were_retried_refiltered_and_merged_are_made_again(tmp_path, one_thread):
    """Computed alone at first, since rounding depends on what is computed together."""
    manifest, rejected, other = _manifest(tmp_path), tmp_path / "rejected", tmp_path / "other"
    # From words and without the content term, the judge prefers some of the further tries.
    without = ["--set", "method.content_weight=0", "--set", "fitted_tokens=none"]
    alone = ["--executor", "local", "--batch-size", 1, *QUICK, *without]
    retried = ["--candidates", 4, "--set", "keep_rejected=true"]
    _made("run", manifest, "-o", rejected, *alone, *retried, "--min-confidence", 1)
    _made("refilter", rejected, "-o", tmp_path / "kept", "--min-confidence", 0)
    _made("run", manifest, "-o", other, *alone, "--set", "method.steps=4", "--seed", 7)
    _made("merge", tmp_path / "kept", other, "-o", tmp_path / "both")

    run = json.loads((tmp_path / "kept" / "run.json").read_text())
    kept, both = list(_samples(tmp_path / "kept")), list(_samples(tmp_path / "both"))
    assert any(sample["candidate"] for sample, _ in kept)
    _check_each_alone(kept, run["parts"], tmp_path)
    # A merged corpus says what made which of its samples.
    merged = json.loads((tmp_path / "both" / "run.json").read_text())["parts"]["merged"]
    assert [origin["requests"] for origin in merged] == [3, 3]
    for number, origin in enumerate(merged):
        _check_each_alone(both[3 * number : 3 * number + 3], origin["parts"], tmp_path)
