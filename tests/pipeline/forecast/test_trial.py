"""Trials with the null engine."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from manifests.check import ManifestError
from pipeline.config import Config
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.forecast.trial import run_trial
from pipeline.planning.manifest_input import checked_manifest
from pipeline.planning.plan import derive_seed, plan_requests
from tests.support.corpora import fail_on_warning
from tests.support.local_runs import write_rows

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


def test_a_limit_does_not_keep_a_row_from_being_tried(manifest, tmp_path):
    (row,) = _try(manifest, tmp_path / "try", [8], CONFIG.replace(limit=2)).rows
    assert (row["prompt"], row["seed"]) == ("a dog 8", derive_seed(0, "000000000008", 0))


def test_an_edit_keeps_its_mask(tmp_path):
    Image.new("RGB", (64, 64), (9, 99, 199)).save(tmp_path / "a.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")
    columns = {"image": ["a.png"], "mask": ["mask.png"]}
    manifest = write_rows(tmp_path / "m.parquet", 1, **columns)
    (row,) = _try(manifest, tmp_path / "try").rows
    assert row["mask"] == str(tmp_path / "mask.png")
    assert row["mask_share"] == 0.5


def test_what_is_no_trial_is_not_replaced(manifest, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UserError, match="is no trial"):
        _try(manifest, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(UserError, match=r"--rows 40,99: the manifest has 11 rows"):
        _try(manifest, tmp_path / "try", rows=[99, 3, 40])


def test_an_earlier_trial_outlives_a_mistake(manifest, tmp_path):
    folder = tmp_path / "try"
    (folder / "corpus").mkdir(parents=True)
    (folder / "trial.json").write_text("{}")
    with pytest.raises(ManifestError, match="cannot be opened"):
        _try(tmp_path / "nosuch.parquet", folder)
    with pytest.raises(UserError, match="the manifest has 11 rows"):
        _try(manifest, folder, rows=[40])
    assert sorted(path.name for path in folder.iterdir()) == ["corpus", "trial.json"]


def test_files_of_the_user_beside_a_trial_are_not_removed(manifest, tmp_path):
    folder = tmp_path / "try"
    folder.mkdir()
    (folder / "trial.json").write_text("{}")
    (folder / "thesis.txt").touch()
    with pytest.raises(UserError, match=r"holds 'thesis\.txt', which is not of a trial"):
        _try(manifest, folder)
    assert (folder / "thesis.txt").exists()


def test_a_manifest_inside_the_folder_is_not_removed(manifest, tmp_path):
    folder = tmp_path / "try"
    folder.mkdir()
    (folder / "trial.json").write_text("{}")
    inside = manifest.rename(folder / "manifest.parquet")
    with pytest.raises(UserError, match="lies in"):
        _try(inside, folder)
    assert inside.exists()


def test_a_loop_of_links_as_a_manifest_is_refused(tmp_path):
    loop = tmp_path / "loop.parquet"
    loop.symlink_to(loop)
    with pytest.raises(ManifestError, match="Too many levels of symbolic links"):
        _try(loop, tmp_path / "trial")


def test_a_link_is_not_followed(manifest, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "trial.json").write_text("{}")
    (tmp_path / "try").symlink_to("real")
    with pytest.raises(UserError, match="is a link"):
        _try(manifest, tmp_path / "try")
    assert (tmp_path / "real" / "trial.json").exists()


def test_settings_that_a_trial_does_not_need_are_not_warned_of(manifest, tmp_path):
    warnings = []
    settings = {"emotions": ("awe",), "quota": 5, "quota_by": "emotion"}
    config = CONFIG.replace(**settings, min_source_similarity=0.2)
    run_trial(str(manifest), tmp_path / "try", config, [0], warnings.append)
    assert warnings == ["emotions: no effect, because every row of the manifest names its own"]


def test_a_warning_on_the_rows_is_given_once(tmp_path):
    manifest, warnings = write_rows(tmp_path / "m.parquet", 2), []
    run_trial(
        str(manifest),
        tmp_path / "try",
        CONFIG.replace(method={"strength": 0.5}, engine="null"),
        None,
        warnings.append,
    )
    assert sum("method.strength: no effect" in text for text in warnings) == 1


def test_warnings_with_counts_are_those_of_the_whole_manifest_alone(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    masked = {"image": ["a.png"] * 3, "mask": ["a.png"] * 3}
    manifest, warnings = write_rows(tmp_path / "m.parquet", 3, **masked), []
    config = CONFIG.replace(image_format="jpg")
    run_trial(str(manifest), tmp_path / "try", config, None, warnings.append)
    (told,) = [text for text in warnings if "have a mask" in text]
    assert told.startswith("image_format = jpg: 3 row(s) have a mask")


def test_a_trial_warns_of_no_setting_that_it_has_given_itself(manifest, tmp_path):
    """It has one worker, whom the local executor of the run would not count."""
    _try(manifest, tmp_path / "try", config=CONFIG.replace(executor="local"))


def test_no_more_images_are_counted_together_than_there_are_slots(manifest, tmp_path):
    """Otherwise each would seem to take less, and more of them to fit."""
    trial = _try(manifest, tmp_path / "try", [0, 1, 2, 3, 4], CONFIG.replace(slots=2))
    assert trial.memory.batch_size == 2
