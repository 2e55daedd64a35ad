"""The size of a corpus, before it is made."""

import pytest

from muse.sizes import Size
from pipeline.config import Config
from pipeline.planning.disk_estimate import as_text, disk_estimate, image_size
from tests.support.local_runs import run_locally, write_rows


def test_the_size_of_images_is_that_of_the_model_or_of_the_settings():
    assert image_size(Config()) == Size(64, 64)
    assert image_size(Config(width=96, height=48)) == Size(96, 48)
    assert image_size(Config(model="owner/name")) is None
    assert disk_estimate(10, Config(model="owner/name")) is None


def test_a_corpus_is_no_larger_than_estimated(tmp_path):
    """The null engine's images are flat cells, which PNG stores in less than any photograph."""
    manifest = write_rows(tmp_path / "m.parquet", 40)
    run_locally(manifest, tmp_path / "out", min_confidence=0.0, shard_size=1000)
    files = [*(tmp_path / "out" / "shards").iterdir(), tmp_path / "out" / "metadata.parquet"]
    size = sum(file.stat().st_size for file in files)
    estimate = disk_estimate(40, Config(engine="null"))
    assert estimate.low / 3 < size < estimate.high


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "1,000 bytes"),
        (1000, "1 kB"),
        (1_234_567, "1.2 MB"),
        (5 * 10**14, "500 TB"),
    ],
)
def test_sizes_have_two_digits_and_a_unit(size, text):
    assert as_text(size) == text
