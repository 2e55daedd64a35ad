"""The size of a corpus, before it is made."""

import pytest

from manifests.schema import Row
from muse.sizes import Size
from pipeline.config import Config
from pipeline.models.sizes import model_sizes
from pipeline.planning.disk_estimate import as_text, disk_estimate
from pipeline.planning.request_sizes import RequestSizes
from tests.support.local_runs import run_locally, write_rows


def _estimate(config, *sizes, requests=10, image=None, photographs=None):
    counted = RequestSizes(config, model_sizes(config))
    for number, size in enumerate(sizes):
        counted.add(Row(number, "a dog", image, (), None, None, None, size=size), requests)
    return disk_estimate(counted, config, photographs or {})


def test_edits_that_are_put_back_are_as_large_as_their_photographs():
    given = {"image": "x.png", "photographs": {Size(640, 480): 1, Size(480, 640): 3}}
    small, large = (_estimate(Config(restore_size=on), None, **given) for on in (False, True))
    restored = _estimate(Config(width=640, height=480), None, image="x.png")
    assert (large.low, large.high) == (restored.low, restored.high)
    assert large.low > 10 * small.low


def test_the_size_of_images_is_that_of_the_row_the_settings_or_the_model():
    assert _estimate(Config(), None).sizes == {Size(128, 128): 10}
    assert _estimate(Config(width=96, height=64), None).sizes == {Size(96, 64): 10}
    unknown = Config(model="owner/name")
    assert _estimate(unknown, None) is None
    assert _estimate(unknown, None, (64, 32)) is None
    assert _estimate(unknown, (64, 32)).sizes == {Size(64, 32): 10}


def test_each_image_is_counted_at_its_own_size():
    small, large = _estimate(Config(), None), _estimate(Config(), (4096, 4096))
    both = _estimate(Config(), None, (4096, 4096), None)
    assert both.high == 2 * small.high + large.high
    assert large.low > 100 * small.high
    numbers = both.as_json()
    assert numbers["sizes"] == {"128x128": 20, "4096x4096": 10}
    assert numbers["size"] == {"width": 128, "height": 128}


def test_a_corpus_is_no_larger_than_estimated(tmp_path):
    """The null engine's images are flat cells, which PNG stores in less than any photograph."""
    manifest = write_rows(tmp_path / "m.parquet", 40)
    run_locally(manifest, tmp_path / "out", min_confidence=0.0, shard_size=1000)
    files = [*(tmp_path / "out" / "shards").iterdir(), tmp_path / "out" / "metadata.parquet"]
    size = sum(file.stat().st_size for file in files)
    estimate = _estimate(Config(engine="null"), None, requests=40)
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
