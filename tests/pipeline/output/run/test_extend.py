"""A pilot becomes the first part of the whole run, to the same bytes, and is not made again."""

import contextlib

import pytest

from pipeline.errors import RunStopped, UserError
from pipeline.output.markers import read_markers
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.log import reports
from tests.support.corpora import rows_of
from tests.support.local_runs import published, run_locally, stop_at, write_rows

SETTINGS = {
    "plain": {},
    "quota": {"quota": 9},
    "near-duplicates": {"near_duplicates": 24, "min_confidence": 0.2},
    "candidates": {"candidates": 3, "min_confidence": 0.7, "batch_size": 16},
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("extend") / "m.parquet", 90)


@pytest.fixture(scope="module")
def whole(manifest, tmp_path_factory):
    expected = {}
    for name, settings in SETTINGS.items():
        output = tmp_path_factory.mktemp("whole") / "out"
        run_locally(manifest, output, **settings)
        expected[name] = published(output)
    return expected


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("limits", [(1, 0), (8, 24, 41, 0)])
def test_a_pilot_becomes_the_first_part_of_the_whole(manifest, whole, tmp_path, name, limits):
    for limit in limits:
        run_locally(manifest, tmp_path / "out", limit=limit, **SETTINGS[name])
    assert published(tmp_path / "out") == whole[name]


@pytest.mark.parametrize(
    ("limits", "stops"),
    [
        ((130, 131, 200, 0), True),
        pytest.param((1, 0), True, marks=pytest.mark.faults),
        pytest.param((128, 256, 0), True, marks=pytest.mark.faults),
        pytest.param((130, 131, 200, 0), False, marks=pytest.mark.faults),
    ],
)
def test_a_pilot_of_images_of_several_sizes_is_extended_too(tmp_path, limits, stops):
    """Of 128 requests each those of one size are made after each other; runs may be stopped."""
    sides = [(64, 48, None)[number % 3] for number in range(300)]
    manifest = write_rows(tmp_path / "m.parquet", 300, width=sides, height=sides)
    run_locally(manifest, tmp_path / "whole")
    for limit in limits:
        if stops:
            executor = LocalExecutor(3, seed=1, before_task=stop_at(20))
            with contextlib.suppress(RunStopped):
                run_locally(manifest, tmp_path / "out", executor, limit=limit)
        else:
            run_locally(manifest, tmp_path / "out", limit=limit)
    run_locally(manifest, tmp_path / "out")
    assert published(tmp_path / "out") == published(tmp_path / "whole")
    keys = [row["key"] for row in rows_of(tmp_path / "out")]
    assert len({*keys}) == len(keys) == 300
    assert keys != sorted(keys)


def test_only_a_batch_that_the_limit_had_cut_short_is_made_again(manifest, tmp_path):
    for limit in (24, 42, 0):
        run_locally(manifest, tmp_path / "out", limit=limit)
    made = [report["batch"] for report in reports(tmp_path / "out")]
    assert sorted(made) == sorted([*range(23), 10])


@pytest.mark.parametrize(
    ("name", "stop"), [("plain", 8), ("quota", 8), ("near-duplicates", 8), ("candidates", 2)]
)
def test_a_pilot_that_was_stopped_is_extended_too(manifest, whole, tmp_path, name, stop):
    """Both the pilot and the run that extends it are stopped."""
    for limit in (42, 0):
        executor = LocalExecutor(3, seed=1, before_task=stop_at(stop))
        with contextlib.suppress(RunStopped):
            run_locally(manifest, tmp_path / "out", executor, limit=limit, **SETTINGS[name])
        stop += 2
    run_locally(manifest, tmp_path / "out", **SETTINGS[name])
    assert published(tmp_path / "out") == whole[name]


def test_a_lower_limit_is_refused(manifest, whole, tmp_path):
    run_locally(manifest, tmp_path / "out")
    with pytest.raises(
        UserError, match=r"--limit: .* has a plan of 90 requests already, and 8 are"
    ):
        run_locally(manifest, tmp_path / "out", limit=8)
    assert published(tmp_path / "out") == whole["plain"]


def test_a_damaged_pilot_is_refused_and_left_as_it_is(manifest, tmp_path):
    run_locally(manifest, tmp_path / "out", limit=42)
    last = read_markers(tmp_path / "out")[-1]
    tar = tmp_path / "out" / "shards" / f"{last.name}.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    before = published(tmp_path / "out")
    with pytest.raises(UserError, match=f"{last.name}.tar is damaged"):
        run_locally(manifest, tmp_path / "out")
    assert published(tmp_path / "out") == before
