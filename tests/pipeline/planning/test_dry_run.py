"""The dry run: what it counts is what it lists, and what a run would make."""

import decimal
import json
import shutil
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from manifests.check import ManifestError
from pipeline.config import Config
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.planning.dry_run import dry_run
from pipeline.settings import load_config
from tests.support.local_runs import run_locally, write_rows


@pytest.mark.parametrize("limit", [0, 1, 9, 20, 1000])
def test_a_dry_run_counts_what_it_would_list(tmp_path, limit):
    path, out = tmp_path / "m.parquet", tmp_path / "plan.parquet"
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    rows = {
        "prompt": ["a", "b", "c"],
        "emotion": [["awe", "fear"], None, ["anger"]],
        "image": [None, "x.png", None],
    }
    pq.write_table(pa.table(rows), path)
    numbers = dry_run(str(path), Config(limit=limit), out).as_json()
    listed = pq.read_table(out).to_pylist()
    assert (
        numbers["requests"]
        == len(listed)
        == sum(numbers["tasks"].values())
        == sum(numbers["emotions"].values())
    )
    for name, count in numbers["emotions"].items():
        assert count == sum(name in json.loads(row["emotion"]) for row in listed)
    assert numbers["tasks"]["edit"] == sum(row["row"] == 1 for row in listed)


def _manifest(tmp_path, **columns) -> str:
    count = len(next(iter(columns.values())))
    rows = {"prompt": ["a dog"] * count, "emotion": ["awe"] * count} | columns
    pq.write_table(pa.table(rows), tmp_path / "m.parquet")
    return str(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quota": 2, "quota_by": "style"}, "quota_by = 'style': the manifest has no such column"),
        ({"filters": {"sharpness": 0.5}}, "filters.sharpness: no installed package offers it"),
    ],
)
def test_what_a_run_refuses_a_plan_refuses(settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        dry_run(_manifest(tmp_path, seed=[1]), Config(engine="null", **settings), None)


def test_a_model_that_cannot_be_loaded_is_reported(tmp_path):
    (tmp_path / "model" / "transformer").mkdir(parents=True)
    shutil.copy("muse/mini/weights/guide/model.safetensors", tmp_path / "model" / "transformer")
    (tmp_path / "model" / "model_index.json").write_text(
        '{"_class_name": "AuraFlowPipeline", "transformer": ["diffusers", "AuraFlow"]}'
    )
    with pytest.raises(UserError, match=r"--model .*it is a AuraFlowPipeline; known: Stable"):
        dry_run(_manifest(tmp_path, seed=[1]), Config(model=str(tmp_path / "model")), None)


def test_images_that_cannot_be_used_are_named_by_row(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    planned = dry_run(_manifest(tmp_path, image=["x.png", "gone.png", None]), Config(), None)
    assert planned.problems == [
        f"row 1, column 'image': image 'gone.png' does not exist in {tmp_path}; "
        "relative paths refer to the folder of the manifest"
    ]
    assert planned.contents.images.as_json() == {
        "local": 2, "remote": 0, "remote_fetched": 0, "unusable": 1, "cut": 0,
        "relative_to": str(tmp_path), "sizes": {"8x8": 1}, "made_at": {"128x128": 1},
    }  # fmt: skip


def test_a_prompt_that_is_cut_is_warned_of_by_row(tmp_path):
    prompts = ["a dog on a beach", "a dog on a beach " * 40]
    planned = dry_run(_manifest(tmp_path, prompt=prompts), Config(), None)
    (warning,) = planned.warnings
    assert "the prompts of 1 row(s) are longer than the text encoder reads" in warning
    assert "row 1: " in warning
    assert dry_run(_manifest(tmp_path, prompt=prompts), Config(engine="null"), None).warnings == []


def test_a_run_stores_every_type_that_the_dry_run_accepts(tmp_path):
    own = uuid.uuid4()
    columns = {
        "own": pa.array([own.bytes], pa.uuid()),
        "about": pa.array(['{"a": 1}'], pa.json_()),
        "span": pa.array([1_234_567_891], pa.duration("ns")),
        "price": pa.array([decimal.Decimal("1.20")], pa.decimal128(30, 10)),
        "point": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
        "kind": pa.array(["x"]).dictionary_encode(),
        "data": pa.array([b"x"], pa.binary_view()),
        "nested": pa.array([{"a": None, "b": [{"c": "y"}]}]),
        "nothing": pa.nulls(1),
    }
    manifest = _manifest(tmp_path, prompt=["a dog"], **columns)
    assert dry_run(manifest, Config(engine="null"), None).problems == []
    run_locally(manifest, tmp_path / "out", min_confidence=0.0)
    (row,) = pq.read_table(tmp_path / "out" / "metadata.parquet").to_pylist()
    assert row["own"] == str(own)
    assert row["span"].nanoseconds == 891
    assert row["point"] == [1.0, 2.0]
    assert row["nested"] == {"a": None, "b": [{"c": "y"}]}
    assert verify(tmp_path / "out") == []


def test_photographs_for_the_embedded_model_are_warned_of(tmp_path):
    def warnings(size, **settings):
        Image.new("RGB", size).save(tmp_path / "x.png")
        path = _manifest(tmp_path, image=["x.png"], prompt=["a dog on a beach"])
        return dry_run(path, Config(**settings), None).warnings

    (warning,) = warnings((80, 60))
    assert warning.startswith("1 source image(s) are not of the embedded model's world of 128 pi")
    assert warnings((128, 128)) == warnings((80, 60), engine="null") == []


def test_sizes_that_rows_ask_for_are_counted_estimated_and_warned_of(tmp_path):
    def planned(width, height):
        prompts = ["a dog on a beach"] * len(width)
        return dry_run(
            _manifest(tmp_path, prompt=prompts, width=width, height=height), Config(), None
        )

    usual = planned([None, 64], [None, 32])
    assert (usual.as_json()["generate_sizes"], usual.warnings) == ({"64x32": 1, "128x128": 1}, [])
    # Eight of nearly the largest size that could be opened again.
    large = planned([None, *[12_800] * 8], [None, *[12_800] * 8])
    assert large.disk.low > 10**9 > usual.disk.high
    (warning,) = large.warnings
    assert "up to 12800 x 12800" in warning
    with pytest.raises(ManifestError, match="is 40000 beside 40000; no image of more than 178,956"):
        planned([40_000], [40_000])


def test_requests_are_written_to_a_new_file_or_over_those_of_an_earlier_plan(tmp_path):
    manifest = write_rows(tmp_path / "m.parquet", 2)
    before = manifest.read_bytes()
    for output, message in (
        (manifest, "exists and has no requests of a plan"),
        (tmp_path / "x.csv", "give a name in .parquet"),
    ):
        with pytest.raises(UserError, match=message):
            dry_run(str(manifest), Config(engine="null"), output)
    assert manifest.read_bytes() == before
    for seed in (1, 2):
        dry_run(str(manifest), Config(engine="null", seed=seed), tmp_path / "plan.parquet")
    assert pq.read_table(tmp_path / "plan.parquet").num_rows == 2


@pytest.mark.parametrize("setting", [{"address": "zz"}, {"label_selector": "a"}])
def test_a_plan_refuses_a_place_of_another_form(setting, tmp_path):
    with pytest.raises(UserError, match=r"write (HOST:PORT|KEY=VALUE)"):
        dry_run(_manifest(tmp_path, seed=[1]), load_config(None, [], setting), None)
