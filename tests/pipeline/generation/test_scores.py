"""Further filters: functions of installed packages, and classifiers."""

import json
import re
import shutil
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from jobs.world.models import build_classifier
from muse.classifiers.folder import open_image_model
from pipeline.corpora.merge import merge
from pipeline.corpora.refilter import refilter
from pipeline.errors import UserError
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.files import read_json, sha256_folder
from tests.support.corpora import ROWS, contents_of, fail_on_warning, rows_of


def test_a_filter_of_an_installed_package_scores_refuses_and_is_part_of_the_fingerprint(
    make_corpus, tmp_path, monkeypatch
):
    (tmp_path / "mine-1.0.dist-info").mkdir()
    (tmp_path / "mine-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n"
    )
    points = "[muse_batch.filters]\nredness = mine:redness\nbroken = mine:broken\n"
    (tmp_path / "mine-1.0.dist-info" / "entry_points.txt").write_text(points)
    (tmp_path / "mine.py").write_text(
        "def redness(image, record):\n    return image.resize((1, 1)).getpixel((0, 0))[0] / 255\n"
        "def broken(image, record):\n    return float('nan')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    out = make_corpus(filters={"redness": 0.5}, min_confidence=0.0)
    rows = rows_of(out)
    assert {row["status"] for row in rows} == {"accepted", "rejected"}
    for row in rows:
        assert (row["status"] == "accepted") == (row["score_redness"] >= 0.5)
        assert row["status"] == "accepted" or row["reason"].startswith("redness 0.")
    assert read_json(out / "run.json")["parts"]["filters"] == {
        "redness": "mine:redness of mine 1.0"
    }
    for row in rows_of(make_corpus("broken", filters={"broken": 0.5})):
        assert row["status"] == "failed"
        assert "filter broken gave nan" in row["reason"]


def test_a_filter_that_is_not_installed_is_refused_before_anything_is_made(make_corpus, tmp_path):
    with pytest.raises(UserError, match=r"filters.beauty: no installed package offers it"):
        make_corpus(filters={"beauty": 0.5})
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def safety(tmp_path_factory):
    """A classifier of random weights and labels of its own, saved as users have it."""
    folder = tmp_path_factory.mktemp("models") / "safety"
    torch.manual_seed(3)
    build_classifier("resnet", ["Normal", "nsfw"]).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def _median(values):
    return sorted(values)[len(values) // 2]


def test_a_filter_by_a_classifier_scores_its_label_and_its_threshold_is_applied_late(
    make_corpus, safety, tmp_path
):
    every = make_corpus(
        "every",
        filters={"safety": 0.0},
        filter_models={"safety": f"{safety}:normal"},
        min_confidence=0.0,
    )
    scores = [row["score_safety"] for row in rows_of(every)]
    with tarfile.open(every / "shards" / "00000000.tar") as archive:
        picture = Image.open(archive.extractfile("000000000000.png")).convert("RGB")
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    model, preprocessing = open_image_model(safety)
    probs = model(pixel_values=preprocessing(pixels)).logits.softmax(-1)[0].tolist()
    assert scores[0] == pytest.approx(probs[0], abs=1e-5)
    assert len({*scores}) > 20
    least = _median(scores)
    refilter(every, tmp_path / "late", [f"filters.safety={least}"], {}, fail_on_warning)
    # Drawn under the threshold, in batches of another size: the same scores, the same verdicts.
    early = make_corpus(
        "early",
        filters={"safety": least},
        filter_models={"safety": f"{safety}:Normal"},
        min_confidence=0,
        batch_size=7,
    )
    assert [row["score_safety"] for row in rows_of(early)] == scores
    for late, row in zip(rows_of(tmp_path / "late"), rows_of(early), strict=True):
        assert (row["status"], row["reason"]) == (late["status"], late["reason"])
        assert (row["status"] == "accepted") == (row["score_safety"] >= least)
        assert row["status"] == "accepted" or row["reason"].startswith("safety 0.")
    assert {row["status"] for row in rows_of(early)} == {"accepted", "rejected"}
    with pytest.raises(UserError, match="filter_models: cannot be changed"):
        refilter(
            every, tmp_path / "other", [f"filter_models.safety={safety}:nsfw"], {}, fail_on_warning
        )


def test_a_filters_model_is_part_of_the_fingerprint_by_content_and_label_wherever_it_lies(
    make_corpus, safety, tmp_path
):
    settings = {"filters": {"safety": 0.1}, "min_confidence": 0.0}
    out = make_corpus(filter_models={"safety": f"{safety}:normal"}, **settings)
    parts = read_json(out / "run.json")["parts"]
    assert parts["models"]["filter_models.safety"] == {
        "name": str(safety),
        "sha256": sha256_folder(safety),
    }
    assert "filter&#95;models.safety" in (out / "README.md").read_text()
    moved = tmp_path / "moved"
    shutil.copytree(safety, moved)
    with pytest.raises(UserError, match="--adopt continues the run"):
        make_corpus(filter_models={"safety": f"{moved}:normal"}, **settings)
    with pytest.raises(UserError, match=r"filters.safety: .*normal.*nsfw") as caught:
        make_corpus(filter_models={"safety": f"{safety}:nsfw"}, **settings)
    assert "--adopt" not in str(caught.value)
    (moved / "classifier.json").write_text('{"temperature": 2.0}')
    with pytest.raises(UserError, match=r"safety: the files of .*moved are not those") as caught:
        make_corpus(filter_models={"safety": f"{moved}:normal"}, **settings)
    assert "--adopt" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "{}:safe",
            "settings: filter_models.safety '{}': it has no label 'safe'; choose normal, nsfw",
        ),
        ("{}/none:normal", "settings: filter_models.safety '{}/none': there is no such folder"),
    ],
)
def test_a_filter_without_its_model_or_label_is_refused_before_anything_is_made(
    make_corpus, safety, tmp_path, model, message
):
    with pytest.raises(UserError, match=re.escape(message.format(safety))):
        make_corpus(filters={"safety": 0.5}, filter_models={"safety": model.format(safety)})
    assert not (tmp_path / "out").exists()


def test_a_filters_model_of_pickled_weights_is_refused(make_corpus, safety, tmp_path):
    shutil.copytree(safety, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"filter_models.safety .*pytorch_model.bin is pickled"):
        make_corpus(
            filters={"safety": 0.5}, filter_models={"safety": f"{tmp_path / 'pickled'}:normal"}
        )


def test_workers_load_a_filters_model_and_their_number_changes_no_byte(make_corpus, safety):
    settings = {"filters": {"safety": 0.5}, "filter_models": {"safety": f"{safety}:normal"}}
    one = make_corpus("one", **settings)
    two = make_corpus("two", executor=LocalExecutor(workers=2, seed=1), **settings)
    assert contents_of(one) == contents_of(two)
    assert all(0 < row["score_safety"] < 1 for row in rows_of(one))


def test_samples_merged_in_without_a_filters_scores_pass_it_and_are_reported(
    make_corpus, safety, tmp_path
):
    scored = make_corpus(
        "scored",
        filters={"safety": 0.0},
        filter_models={"safety": f"{safety}:normal"},
        min_confidence=0.0,
    )
    blind = make_corpus("blind", rows=ROWS[:7], min_confidence=0.0, seed=1)
    merge([scored, blind], tmp_path / "both")
    warnings: list[str] = []
    refilter(tmp_path / "both", tmp_path / "late", ["filters.safety=1.0"], {}, warnings.append)
    assert warnings == [
        "7 sample(s) have no score of filter safety and pass it: their corpus was made without it"
    ]
    assert [row["status"] for row in rows_of(tmp_path / "late")] == ["rejected"] * 30 + [
        "accepted"
    ] * 7
