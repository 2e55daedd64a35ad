"""What must not be loaded is named with its file; what is safe has no problems."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from muse.mini import WEIGHTS
from pipeline.models import model_safety
from pipeline.models.model_safety import classifier_problems, problems_of


@pytest.fixture
def model(tmp_path):
    """A diffusion model of one part, with sharded weights."""
    part = tmp_path / "model" / "unet"
    part.mkdir(parents=True)
    (part / "config.json").write_text("{}")
    save_file({"w": torch.ones(2)}, part / "model-1.safetensors")
    index = {"weight_map": {"w": "model-1.safetensors"}}
    (part / "model.safetensors.index.json").write_text(json.dumps(index))
    parts = {"_class_name": "X", "unet": ["diffusers", "UNet"], "safety_checker": [None, None]}
    (part.parent / "model_index.json").write_text(json.dumps(parts))
    return part.parent


def test_the_embedded_models_and_a_sharded_one_are_safe(model):
    embedded = [path for path in WEIGHTS.iterdir() if path.is_dir()]
    assert len(embedded) >= 4
    for folder in (*embedded, model):
        assert list(problems_of(folder)) == []


def test_pickled_weights_beside_safetensors_are_no_problem_and_alone_they_are(model):
    pickled = model / "unet" / "model.bin"
    pickled.write_bytes(b"\x80\x04.")
    assert list(problems_of(model)) == []
    (model / "unet" / "model-1.safetensors").rename(model / "model.safetensors")
    problems = list(problems_of(model))
    assert problems[0].startswith("unet/model.bin is pickled")
    assert any("names weights that are not in its folder" in problem for problem in problems)


def test_a_single_file_is_examined_with_the_folder_that_describes_it(model):
    file = model.parent / "single.safetensors"
    save_file({"w": torch.ones(2)}, file)
    model.rename(model.parent / "single")
    assert list(problems_of(file)) == []
    (model.parent / "single" / "unet" / "config.json").write_text('{"auto_map": {"A": "b.C"}}')
    (problem,) = problems_of(file)
    assert problem.startswith("unet/config.json needs code of its own")
    file.write_bytes(file.read_bytes()[:-1])
    assert next(iter(problems_of(file))).startswith("single.safetensors is damaged")


def test_json_is_limited_by_size(model, monkeypatch):
    monkeypatch.setattr(model_safety, "MAX_JSON_BYTES", 20)
    problems = list(problems_of(model))
    assert [problem.split()[0] for problem in problems] == [
        "model_index.json",
        "unet/model.safetensors.index.json",
    ]


def test_a_library_of_its_own_is_code_to_run(model):
    parts = {"unet": ["diffusers", "UNet"], "vae": ["my_module", "Vae"], "x": ["diffusers"]}
    (model / "model_index.json").write_text(json.dumps(parts))
    problems = list(problems_of(model))
    assert len(problems) == 2
    assert "'vae'" in problems[0]
    assert "'x'" in problems[1]


@pytest.fixture
def known(model):
    """The same as a model of a known family."""

    def index(**more):
        parts = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"], **more}
        (model / "model_index.json").write_text(json.dumps(parts))
        return list(problems_of(model, in_parts=True))

    return index


@pytest.mark.parametrize(
    "more",
    [
        {"safety_checker": ["my_module", "NoChecker"]},
        {"feature_extractor": ["my_module", "Extractor", "x"]},
        {"tags": []},
        {"tags": ["a", "b"]},
        {"controlnet": ["my_module", "Net"]},
    ],
)
def test_what_is_never_loaded_may_be_of_any_library(known, more):
    assert known(**more) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vae", ["my_module", "Vae"]),
        ("text_encoder_2", ["diffusers", "A", "b"]),
        ("_class_name", ["my_module", "StableDiffusionPipeline"]),
    ],
)
def test_what_is_loaded_may_not(known, name, value):
    (problem,) = known(**{name: value})
    assert f"needs code of its own for {name!r}" in problem


def test_what_lies_beside_the_parts_of_a_model_is_not_examined(model, known):
    """It is never read, but for the index itself; a classifier's files lie in its folder."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 7\n"
    (model / "v1-5-pruned.safetensors").write_text(pointer)
    (model / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    (model / "workflow.json").write_text('{"a": 1, // c\n}')
    (model / "config.json").write_text('{"auto_map": {"A": "b.C"}}')
    assert known() == []
    names = [problem.split()[0] for problem in problems_of(model)]
    assert names == ["config.json", "cut.safetensors", "v1-5-pruned.safetensors", "workflow.json"]


def test_an_index_that_was_left_beside_a_whole_file_may_be_removed(model):
    (model / "unet" / "model-1.safetensors").rename(model / "unet" / "model.safetensors")
    (problem,) = problems_of(model)
    assert problem.endswith("or remove this index if model.safetensors beside it is complete")
    (model / "unet" / "model.safetensors.index.json").unlink()
    assert list(problems_of(model)) == []


@pytest.mark.parametrize(("whole", "index"), [("", ".fp16"), (".fp16", "")])
def test_an_index_of_a_variant_that_is_not_loaded_does_not_count(model, whole, index):
    stem, unet = "diffusion_pytorch_model", model / "unet"
    (unet / "model-1.safetensors").rename(unet / f"{stem}{whole}.safetensors")
    left = f"{stem}.safetensors.index{index}.json"
    (unet / "model.safetensors.index.json").rename(unet / left)
    assert list(problems_of(model)) == []
    # Of the variant that is loaded, it does.
    (unet / left).rename(unet / f"{stem}.safetensors.index{whole}.json")
    (problem,) = problems_of(model)
    assert "names weights that are not in its folder" in problem


def test_links_of_weights_that_lead_nowhere_are_named(model):
    weights = model / "unet" / "model-1.safetensors"
    weights.unlink()
    weights.symlink_to("../../blobs/3f2a")
    (problem,) = problems_of(model)
    assert problem.startswith("model/unet/model-1.safetensors is a link to ../../blobs/3f2a")


def test_the_models_that_a_classifier_names_are_examined_where_they_are(tmp_path):
    for name in ("one", "two"):
        shutil.copytree(WEIGHTS / "guide", tmp_path / name)
    both = tmp_path / "both"
    both.mkdir()
    spec = {"kind": "ensemble", "members": ["../one", "../two"]}
    (both / "classifier.json").write_text(json.dumps(spec))
    assert list(classifier_problems(both)) == []
    (tmp_path / "two" / "model.safetensors").write_bytes(b"no tensors")
    (problem,) = classifier_problems(both)
    assert problem.startswith(f"{tmp_path / 'two'}: model.safetensors is damaged")
    (both / "other.json").write_text("no table")
    assert "other.json is not JSON" in next(classifier_problems(both))


def test_parts_that_are_links_are_examined_as_others(known, model, tmp_path):
    unet = model / "unet"
    elsewhere = tmp_path / "elsewhere"
    unet.rename(elsewhere)
    unet.symlink_to(elsewhere)
    assert list(problems_of(model, in_parts=True)) == []
    (weights,) = elsewhere.glob("*.safetensors")
    weights.write_bytes(b"no tensors")
    (problem,) = problems_of(model, in_parts=True)
    assert problem.startswith("unet/model-1.safetensors is damaged")
