"""A manifest in numbers: what it asks for, and what is odd about it."""

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from manifests.schema import Row
from muse.sizes import Size
from pipeline.config import Config
from pipeline.planning.manifest_summary import MAX_REPEATED, Repetitions, listed, summarize


def _summary(tmp_path, columns, **settings):
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    return summarize(str(tmp_path / "m.parquet"), str(tmp_path), Config(**settings))


def test_requests_prompts_words_and_images_are_counted(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    columns = {
        "prompt": ["a dog", "a dgo", "a dgo " * 40, "a dog"],
        "emotion": [["awe", "fear"], ["awe"], None, ["awe", "fear"]],
        "image": ["a.png", None, "gone.png", "a.png"],
        "stars": [1, 2, 3, 4],
    }
    summary = _summary(tmp_path, columns, emotions=("anger",))
    assert summary.generate == {"awe": 1}
    assert summary.edit == {"awe": 2, "fear": 2, "anger": 1}
    assert summary.requests == sum(summary.emotions.values()) == 6
    assert summary.unknown_words == {"dgo": 2}
    assert summary.examples == {0: "a dog", 1: "a dgo", 2: "a dgo " * 40}
    (cut,) = summary.cut_prompts
    assert cut > 40
    assert (summary.repeated, summary.repeated_rows) == (1, [(3, 0)])
    assert summary.images.sizes == {Size(6, 4): 2}
    assert [problem.row for problem in summary.problems] == [2]
    assert summary.manifest.extra.names == ["stars"]


def test_progress_is_told_by_the_rows_that_were_read(tmp_path):
    pq.write_table(pa.table({"prompt": ["a dog", "a cat", "a horse"]}), tmp_path / "m.parquet")
    told = []
    summarize(
        str(tmp_path / "m.parquet"),
        str(tmp_path),
        Config(),
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_limit_counts_what_a_run_would_make(tmp_path):
    summary = _summary(tmp_path, {"prompt": ["a dog", "a cat"]}, limit=3)
    assert (summary.requests, sum(summary.generate.values())) == (3, 3)


def test_rows_repeat_an_earlier_one_in_everything_that_makes_an_image():
    same = {"prompt": "a dog", "image": None, "emotions": ({"awe": 0.5, "fear": 0.5},)}
    rows = [
        same, same, {**same, "emotions": ({"fear": 0.5, "awe": 0.5},)},
        {**same, "seed": 1}, {**same, "prompt": "a cat"}, {**same, "image": b"x"},
        {**same, "image": "x"}, {**same, "negative_prompt": "rain"}, {**same, "image": b"x"},
    ]  # fmt: skip
    repetitions = Repetitions()
    for number, row in enumerate(rows):
        given = {"id": None, "seed": None, "negative_prompt": "", **row}
        repetitions.add(Row(number=number, **given))
    assert repetitions.found() == (3, [(1, 0), (2, 0), (8, 5)])
    for number in range(100, 150):
        repetitions.add(Row(number, "a dog", None, same["emotions"], None, None, ""))
    count, first = repetitions.found()
    assert (count, len(first)) == (53, MAX_REPEATED)
    assert Repetitions().found() == (0, [])


def test_problems_that_are_not_listed_are_counted():
    assert listed(["a", "b"], 5) == ["a", "b", "and 3 more"]
    assert listed(["a"], 1) == ["a"]
