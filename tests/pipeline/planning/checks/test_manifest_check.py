"""Everything that is wrong with a manifest is found at once, images included."""

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.config import Config
from pipeline.planning.checks import manifest_check
from pipeline.planning.checks.manifest_check import check_manifest


def _check(tmp_path, columns, **settings):
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    return check_manifest(str(tmp_path / "m.parquet"), Config(**settings))


def test_problems_of_rows_and_of_their_images_stand_in_the_order_of_rows(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    columns = {
        "prompt": ["", "a dog", "a dog", "a dog"],
        "emotion": ["awe", "awe", "joy", "awe"],
        "image": ["gone.png", "a.png", None, "lost.png"],
        "id": ["1", "1", "2", "3"],
    }
    found = _check(tmp_path, columns)
    assert [(problem.row, problem.column) for problem in found.problems] == [
        (0, "prompt"), (0, "image"), (1, "id"), (2, "emotion"), (3, "image"),
    ]  # fmt: skip
    assert (found.more, found.local_images) == (0, 3)


def test_a_sound_manifest_has_no_problem_but_warnings(tmp_path):
    found = _check(tmp_path, {"prompt": ["a dgo on a beach"]})
    assert (found.rows, found.problems) == (1, [])
    assert "no effect: dgo (dog?)" in found.warnings[0]


def test_of_very_many_problems_the_first_are_listed_and_the_rest_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_check, "MAX_LISTED", 60)
    found = _check(tmp_path, {"prompt": ["a dog"] * 70, "image": ["gone.png"] * 70})
    assert (len(found.problems), found.more) == (60, 10)
    found = _check(tmp_path, {"prompt": [""] * 70, "image": ["gone.png"] * 70})
    assert len(found.problems) == 60
    assert len(found.problems) + found.more >= 70 + 60


def test_what_is_no_manifest_is_one_problem(tmp_path):
    (tmp_path / "m.parquet").write_text("no parquet")
    found = check_manifest(str(tmp_path / "m.parquet"), Config())
    assert [problem.row for problem in found.problems] == [None]
