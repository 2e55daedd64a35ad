"""The utility experiment: its scenes and statistics, and a small one through the real command."""

import json

import numpy as np
import pytest
import torch

from jobs import utility
from jobs.evaluation.corpora import (
    draw_scenes,
    make_corpus,
    read_corpus,
)
from jobs.utility import Suite, augment, hits, train, two_way
from muse.emotions import MIKELS


def test_augmenting_moves_and_mirrors_but_keeps_the_light():
    pixels = torch.arange(64.0).expand(16, 3, 64, 64) / 64
    moved = augment(pixels, torch.Generator().manual_seed(0))
    assert moved.shape == pixels.shape
    assert not torch.equal(moved, pixels)
    flat = torch.full((4, 3, 64, 64), 0.3)
    assert torch.equal(augment(flat, torch.Generator().manual_seed(0)), flat)


@pytest.mark.research
def test_training_learns_its_few_scenes_and_is_the_same_again():
    few = draw_scenes(16, 1, natural=True)
    first, again = (train(few, None, 60, 0) for _ in range(2))
    assert hits(first, few).mean() > 0.5
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )


def test_the_interval_counts_seeds_and_scenes():
    """10 independent seeds and 100 scenes: about as a mean of 1000. Equal seeds: as of 100."""
    rng = np.random.default_rng(0)
    thrown = rng.integers(0, 2, (10, 100)).astype(float)
    alike = np.tile(thrown[:1], (10, 1))
    narrow, wide = two_way(thrown), two_way(alike)
    assert narrow["n"] == 10
    assert narrow["mean"] == pytest.approx(thrown.mean(), abs=1e-4)
    assert 0.05 < narrow["high"] - narrow["low"] < 0.15
    assert wide["high"] - wide["low"] == pytest.approx(2 * 1.96 * 0.05, abs=0.04)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """One request an emotion, two seeds, two steps; both corpora by `muse-batch run`."""
    work = tmp_path_factory.mktemp("utility")
    tiny = Suite(few=(2,), requests=1, seeds=2, steps=3, held_out=16)
    short = ["method.steps=2", "method.max_updates_per_step=1", "min_confidence=0.0"]
    return utility.run(tiny, work, 3, 2, short), work, (tiny, short)


@pytest.mark.research
def test_the_report_compares_every_corpus(experiment):
    report, _, _ = experiment
    found = report["few"]["2"]
    assert {"few", "muse", "words", "scenes", "muse-balanced", "muse-natural"} <= set(found["arms"])
    assert {"muse-minus-few", "muse-minus-words", "muse-balanced-minus-muse-natural"} <= set(
        found["differences"]
    )
    for tests in (*found["arms"].values(), *found["differences"].values()):
        assert set(tests) == {"balanced", "natural"}
        for figure in tests.values():
            assert figure["n"] == 2
            assert figure["low"] <= figure["mean"] <= figure["high"]
    assert report["corpora"]["muse"]["images"] == report["corpora"]["words"]["images"] == 8
    assert report["corpora"]["muse"]["emotions"] == dict.fromkeys(MIKELS.labels, 1)
    table = utility.as_markdown(report)
    assert "| few |" in table
    assert "muse minus few" in table
    json.dumps(report)


@pytest.mark.research
def test_corpora_are_read_with_their_labels(experiment):
    _, work, _ = experiment
    muse, words = read_corpus(work / "muse"), read_corpus(work / "words")
    assert muse.pixels.shape == (8, 3, 128, 128)
    assert muse.labels.tolist() == list(range(8))
    # The same contents and seeds in both, so that only the images differ.
    assert [(c.place, c.subject, c.seed) for c in muse.cases] == [
        (c.place, c.subject, c.seed) for c in words.cases
    ]
    assert not torch.equal(muse.pixels, words.pixels)
    assert len(read_corpus(work / "words", min_confidence=1.1).cases) == 0


@pytest.mark.research
def test_a_finished_corpus_is_used_again(experiment):
    """The run command itself sees that nothing is left to make."""
    _, work, (tiny, short) = experiment
    shard = work / "muse" / "shards" / "00000000.tar"
    before = shard.stat().st_mtime_ns
    make_corpus(work, "muse", tiny.requests, 3, ["min_similarity=-1.0", *short])
    assert shard.stat().st_mtime_ns == before
