"""Labelled images: rendered scenes, manifests of random contents, and halves of a corpus."""

import pyarrow.parquet as pq
import torch

from jobs.evaluation.corpora import draw_scenes, halves, write_manifest
from muse.emotions import MIKELS
from muse.mini.world.contents import inherent
from muse.mini.world.scenes import content_prompt, emotion_prompt


def test_scenes_have_every_emotion_in_turn_and_are_the_same_again():
    scenes, again = (draw_scenes(16, 3, natural=False) for _ in range(2))
    assert scenes.labels.tolist() == [*range(8)] * 2
    assert scenes.pixels.shape == (16, 3, 64, 64)
    assert torch.equal(scenes.pixels, again.pixels)


def test_natural_scenes_evoke_their_emotion_more_than_others():
    def evoked(natural: bool) -> float:
        cases = draw_scenes(160, 3, natural).cases
        return sum(inherent(case.place, case.subject)[MIKELS.index(case.emotion)] for case in cases)

    assert evoked(natural=True) > evoked(natural=False)


def test_a_manifest_names_emotions_only_if_asked(tmp_path):
    for named in (True, False):
        write_manifest(tmp_path / "m.parquet", 2, 1, named)
        rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
        assert [row["emotion"] for row in rows] == [*MIKELS.labels] * 2
        for row in rows:
            plain = content_prompt(row["place"], row["subject"])
            assert row["prompt"] == (emotion_prompt(plain, row["emotion"]) if named else plain)


def test_halves_have_one_size_and_one_of_them_is_balanced():
    parts = halves(draw_scenes(64, 3, natural=False), 1)
    assert len(parts["balanced"].cases) == len(parts["natural"].cases) == 32
    assert torch.bincount(parts["balanced"].labels).tolist() == [4] * 8
