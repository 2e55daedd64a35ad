"""`classifier fit`: the same scenes in every form of a data set, and a run with the classifier that
was fitted."""

import io
import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from jobs.evaluation.corpora import draw_scenes
from jobs.world.card import as_picture
from muse.classifiers import Preprocessing, load_classifier
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from pipeline.classifier.datasets import read_labelled
from pipeline.classifier.fit import fit, gather
from pipeline.classifier.training import Fit
from pipeline.errors import UserError
from pipeline.output.run.run_file import read_run
from pipeline.settings import load
from tests.support import drive

COUNT = 160


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """20 rendered scenes an emotion, as an image folder."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    scenes = draw_scenes(COUNT, seed=3, natural=False)
    for number, (pixels, case) in enumerate(zip(scenes.pixels, scenes.cases, strict=True)):
        (folder / case.emotion).mkdir(parents=True, exist_ok=True)
        as_picture(pixels).save(folder / case.emotion / f"{number:06d}.png")
    return folder


@pytest.fixture(scope="module")
def items(scenes):
    return list(read_labelled(scenes))


def _tar(path, items, members):
    with tarfile.open(path, "w") as archive:
        for number, item in enumerate(items):
            for suffix, data in {"png": item.image, **members(item)}.items():
                info = tarfile.TarInfo(f"{number:06d}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def test_the_same_images_are_read_from_every_shape(items, tmp_path):
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as ImageFeature

    assert len(items) == COUNT
    alphabetical = sorted(MIKELS.labels)
    for folder in ("named", "numbered", "table", "saved"):
        (tmp_path / folder).mkdir()
    _tar(
        tmp_path / "named" / "0.tar",
        items,
        lambda item: {"json": json.dumps({"emotion": item.label}).encode()},
    )
    _tar(
        tmp_path / "numbered" / "0.tar",
        items,
        lambda item: {"cls": str(alphabetical.index(item.label)).encode()},
    )
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=alphabetical)})
    rows = [
        {"image": {"bytes": i.image, "path": None}, "label": alphabetical.index(i.label)}
        for i in items
    ]
    data = Dataset.from_list(rows, features=features)
    data.to_parquet(tmp_path / "table" / "train.parquet")
    data.save_to_disk(str(tmp_path / "saved"))
    expected = [(item.image, item.label) for item in items]
    for folder in ("named", "numbered", "table", "saved"):
        found = list(read_labelled(tmp_path / folder, alphabetical if folder == "numbered" else ()))
        assert [(item.image, item.label) for item in found] == expected, folder
    with pytest.raises(
        UserError, match="label is 0, and the data do not say which emotion that is"
    ):
        list(read_labelled(tmp_path / "numbered"))


def test_a_head_learns_its_figures_are_true_and_the_folder_is_a_classifier(scenes, items, tmp_path):
    """The place classifier's features: it was not trained on emotions. Chance is 1/8; 16 held-out
    images."""
    settings = Fit(backbone=str(WEIGHTS / "place"), held_out=0.2, early=0.5)
    figures = fit(scenes, tmp_path / "out", settings, lambda _: None)
    assert figures["images"] == 16
    assert np.trace(figures["confusion"]) / 16 == pytest.approx(figures["accuracy"], abs=1e-4)
    classifier = load_classifier(tmp_path / "out")
    spec = json.loads((tmp_path / "out" / "classifier.json").read_text())
    assert classifier.temperature == spec["temperature"] != 1.0
    images = [Image.open(io.BytesIO(item.image)) for item in items]
    pixels = torch.stack(
        [torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 for image in images]
    )
    goals = torch.tensor([MIKELS.index(item.label) for item in items])
    # Of all 160, most of them trained on: far above chance (20), whose deviation is 4.
    assert int((classifier.logits(pixels).argmax(-1) == goals).sum()) >= 64
    assert "accuracy" in (tmp_path / "out" / "README.md").read_text()
    again = fit(scenes, tmp_path / "again", settings, lambda _: None)
    assert again == figures
    with pytest.raises(UserError, match="exists already"):
        fit(scenes, tmp_path / "out", settings, lambda _: None)


def test_labels_of_the_data_are_mapped_and_left_out(scenes, tmp_path):
    data = tmp_path / "data"
    for ours, theirs in {
        "amusement": "fun",
        "awe": "awe",
        "anger": "wrath",
        "fear": "fear",
    }.items():
        shutil.copytree(scenes / ours, data / theirs)
    shutil.copytree(scenes / "disgust", data / "junk")
    moods = tmp_path / "moods.toml"
    moods.write_text('name = "two"\nlabels = ["good", "bad"]\npolarity = [1, -1]\nwheel = []\n')
    meanings = {"fun": "good", "awe": "good", "wrath": "bad", "fear": "bad"}
    given = {"backbone": str(WEIGHTS / "place"), "taxonomy": str(moods), "epochs": 2}
    with pytest.raises(UserError, match=r"are not those of two .*in label_map what .*junk"):
        fit(
            data,
            tmp_path / "out",
            load(Fit, None, [], given | {"label_map": meanings}),
            lambda _: None,
        )
    settings = load(Fit, None, [], given | {"label_map": meanings | {"junk": ""}})
    figures = fit(data, tmp_path / "out", settings, lambda _: None)
    assert figures["labels"] == ["good", "bad"]
    assert figures["images"] == 8


def test_fine_tuning_lowers_the_loss(scenes, tmp_path):
    messages = []
    settings = Fit(backbone=str(WEIGHTS / "subject"), fine_tune=True, epochs=3, rate=2e-3)
    fit(scenes, tmp_path / "out", settings, messages.append)
    losses = [float(line.split()[-1]) for line in messages[1:]]
    assert len(losses) == 3
    assert losses[-1] < losses[0] - 0.1


def test_broken_data_is_refused_by_name(scenes, tmp_path):
    settings = Fit(backbone=str(WEIGHTS / "place"))
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    (data / "awe" / "broken.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"awe/broken\.png: cannot be decoded"):
        fit(data, tmp_path / "out", settings, lambda _: None)
    pq.write_table(pa.table({"picture": [b""], "label": ["awe"]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="it needs `image` and `label`"):
        list(read_labelled(tmp_path / "t.parquet"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no labelled images"):
        list(read_labelled(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"--backbone '.*': .* has no config\.json"):
        fit(scenes, tmp_path / "out", Fit(backbone=str(tmp_path / "empty")), lambda _: None)
    assert not (tmp_path / "out").exists()


def test_copies_are_left_out_and_counted_and_data_without_images_refused(scenes, tmp_path):
    settings, messages = Fit(backbone=str(WEIGHTS / "place")), []
    preprocessing = Preprocessing.from_pretrained(WEIGHTS / "place")
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    image = sorted((data / "awe").iterdir())[0]
    for label in ("awe", "fear"):
        shutil.copy(image, data / label / "zz.png")
    images = gather(data, tmp_path / "pixels", settings, preprocessing, messages.append)
    assert len(images.emotions) == COUNT
    assert messages == [
        "ignored: 1 image(s) that are there twice, of which the first is used, "
        "1 image(s) that have two labels, of which the first is used"
    ]
    with tarfile.open(tmp_path / "x.tar", "w"):
        pass
    with pytest.raises(UserError, match=r"x\.tar: no labelled images; give"):
        gather(tmp_path / "x.tar", tmp_path / "pixels", settings, preprocessing, messages.append)


def test_a_run_with_a_guide_and_a_judge_that_were_fitted(scenes, tmp_path):
    for role, seed in (("place", 0), ("subject", 1)):
        options = ["--output", tmp_path / role, "--backbone", WEIGHTS / role]
        options += ["--set", f"seed={seed}", "--set", "epochs=5"]
        fitted = drive.command("classifier", "fit", scenes, *options)
        assert fitted.returncode == 0, fitted.stderr
        assert "held-out images" in fitted.stdout
    rows = [{"prompt": "a dog on a beach", "emotion": [("awe", 0.5), ("fear", 0.5)]}]
    kind = pa.schema([("prompt", pa.string()), ("emotion", pa.map_(pa.string(), pa.float64()))])
    pq.write_table(pa.Table.from_pylist(rows, kind), tmp_path / "manifest.parquet")
    quick = [
        "--executor",
        "local",
        "--set",
        "method.steps=3",
        "--set",
        "method.max_updates_per_step=1",
        "--min-confidence",
        "0",
    ]
    guide, judge, out = tmp_path / "place", tmp_path / "subject", tmp_path / "out"
    models = ["--guide", guide, "--judge", judge]
    done = drive.command("run", tmp_path / "manifest.parquet", "--output", out, *models, *quick)
    assert done.returncode == 0, done.stderr
    assert drive.command("verify", out).returncode == 0
    (row,) = pq.read_table(out / "metadata.parquet").to_pylist()
    run = read_run(out)
    assert run.parts["models"]["guide"]["name"] == str(guide)
    assert run.config["taxonomy"]["labels"] == list(MIKELS.labels)
    assert sum(row[f"judge_{label}"] for label in MIKELS.labels) == pytest.approx(1, abs=1e-3)


def test_another_taxonomy_runs_through_to_the_contact_sheet_and_a_copied_guide_is_no_judge(
    tmp_path,
):
    """Emotion6 by a label map for both roles; the judge is a copy of the guide, by another name."""
    shutil.copytree(WEIGHTS / "guide", tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("not the guide at all")
    meanings = {
        "amusement": "joy",
        "awe": "surprise",
        "contentment": "neutral",
        "excitement": "joy",
    }
    lines = ["allow_same_judge = false", f'judge = "{tmp_path / "copy"}"', 'taxonomy = "emotion6"']
    for role in ("guide", "judge"):
        lines += [
            f"[label_map.{role}]",
            *(f'{theirs} = "{ours}"' for theirs, ours in meanings.items()),
        ]
    config = tmp_path / "run.toml"
    config.write_text("\n".join(lines))
    pq.write_table(pa.table({"prompt": ["a dog on a beach"]}), tmp_path / "manifest.parquet")
    command = [
        "run",
        tmp_path / "manifest.parquet",
        "--output",
        tmp_path / "out",
        "--config",
        config,
        "--set",
        "method.steps=2",
        "--set",
        "method.max_updates_per_step=1",
        "--min-confidence",
        "0",
    ]
    command += ["--executor", "local", "--set", "min_similarity=-1"]  # fmt: skip
    refused = drive.command(*command)
    assert refused.returncode == 2
    assert "have the same weights" in refused.stderr
    assert "allow_same_judge = true" in refused.stderr
    config.write_text(
        config.read_text().replace("allow_same_judge = false", "allow_same_judge = true")
    )
    done = drive.command(*command)
    assert done.returncode == 0, done.stderr
    assert drive.command("verify", tmp_path / "out").returncode == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "The judge is the guide" in card
    assert "| 0 | anger |" in card
    assert "| 6 | neutral |" in card
    rows = pq.read_table(tmp_path / "out" / "metadata.parquet").to_pylist()
    assert [row["emotion"] for row in rows] == [
        "anger",
        "disgust",
        "fear",
        "joy",
        "sadness",
        "surprise",
        "neutral",
    ]
    with tarfile.open(tmp_path / "out" / "shards" / "00000000.tar") as archive:
        numbers = [archive.extractfile(m).read() for m in archive if m.name.endswith(".cls")]
    assert numbers == [str(i).encode() for i in range(7)]
    unmapped = drive.command(*command[:-10], "--set", "taxonomy=emotion6")
    assert unmapped.returncode == 2
    other = drive.command(
        "run",
        tmp_path / "manifest.parquet",
        "--output",
        tmp_path / "new",
        "--set",
        "taxonomy=emotion6",
    )
    assert other.returncode == 2
    assert "are not those of emotion6" in other.stderr
    assert "[label_map.guide]" in other.stderr
