"""Trials with the null engine."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.config import Config
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.forecast.trial import run_trial
from pipeline.planning.manifest_input import checked_manifest
from pipeline.planning.plan import plan_requests
from tests.support.corpora import fail_on_warning

CONFIG = Config(engine="null", min_confidence=0.0)


@pytest.fixture
def manifest(tmp_path):
    Image.new("RGB", (80, 60), (9, 99, 199)).save(tmp_path / "a.png")
    rows = [{"prompt": f"a dog {n}", "emotion": "awe", "image": None} for n in range(9)]
    rows += [{"prompt": "a cat", "emotion": "fear", "image": "a.png"}]
    rows += [{"prompt": "a cow", "emotion": "fear", "image": None}]
    path = tmp_path / "m.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _try(manifest, output, rows=None, config=CONFIG):
    return run_trial(str(manifest), output, config, rows, fail_on_warning)


def test_one_request_of_each_emotion_and_task_is_made_with_its_seed(manifest, tmp_path):
    trial = _try(manifest, tmp_path / "try")
    asked = [(row["task"], row["emotion"], row["prompt"]) for row in trial.rows]
    assert asked == [
        ("generate", "awe", "a dog 0"),
        ("generate", "fear", "a cow"),
        ("edit", "fear", "a cat"),
    ]
    assert all(row["status"] == "accepted" for row in trial.rows)
    planned = plan_requests(_rows(manifest), CONFIG)
    seeds = {request.prompt: request.seed for request in planned}
    assert all(row["seed"] == seeds[row["prompt"]] for row in trial.rows)
    assert verify(tmp_path / "try" / "corpus") == []
    assert "a cow" in trial.page.read_text()
    kept = json.loads((tmp_path / "try" / "trial.json").read_text())
    assert kept["seconds"].keys() == {"generate", "edit"}
    assert kept["memory"]["fits"] == trial.memory.fits > 0


def _rows(manifest):
    from manifests.read import rows_of

    return rows_of(checked_manifest(str(manifest), CONFIG), CONFIG.taxonomy.labels)


def test_rows_can_be_chosen_and_an_earlier_trial_is_replaced(manifest, tmp_path):
    _try(manifest, tmp_path / "try")
    trial = _try(manifest, tmp_path / "try", rows=[3, 9])
    assert [row["prompt"] for row in trial.rows] == ["a dog 3", "a cat"]
    assert trial.rows[1]["source_width"] == 80


def test_what_is_no_trial_is_not_replaced(manifest, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UserError, match="is no trial"):
        _try(manifest, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(UserError, match="the manifest has 11 rows"):
        _try(manifest, tmp_path / "try", rows=[40])
