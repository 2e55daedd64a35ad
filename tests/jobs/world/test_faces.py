"""Where faces are: only what another expression changes."""

from dataclasses import replace
from random import Random

import numpy as np

from jobs.world import faces
from jobs.world.data import Pairs, draw_set
from jobs.world.faces import NO_FACE, draw_faces, face_box
from muse.mini.world.render import SIZE, render
from muse.mini.world.scene import sample_scene


def test_other_expressions_change_nothing_far_from_the_box():
    scene = replace(sample_scene(Random(3), "forest", "cat", ["awe"]), expression="neutral")
    top, bottom, left, right = face_box(scene)
    assert 4 < bottom - top < SIZE // 3
    for expression in ("crying", "laughing"):
        pictures = [
            np.array(render(each)) for each in (scene, replace(scene, expression=expression))
        ]
        for picture in pictures:
            picture[top - 6 : bottom + 6, left - 6 : right + 6] = 0
        assert (pictures[0] == pictures[1]).all()


def test_a_thing_has_no_face():
    assert face_box(sample_scene(Random(3), "forest", "guitar", ["awe"])) == NO_FACE


def test_faces_are_those_of_the_drawn_scenes_and_are_found_once(tmp_path, monkeypatch):
    pairs = Pairs(0.35)
    draw_set(tmp_path, 12, 4, 128, pairs)
    boxes = draw_faces(tmp_path, 12, 4, pairs)
    rng = Random(4 * 100_003)
    scenes = [pairs(rng)[0] for _ in range(12)]
    assert boxes.tolist() == [list(map(int, face_box(scene))) for scene in scenes]
    assert boxes.any()
    monkeypatch.delattr(faces, "in_pieces")
    assert (draw_faces(tmp_path, 12, 4, pairs) == boxes).all()
