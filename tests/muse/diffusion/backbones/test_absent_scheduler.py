"""A model whose scheduler needs a package that is not installed runs with a sampler."""

import json
import shutil

import pytest
import torch
from diffusers.utils.dummy_torch_and_torchsde_objects import DPMSolverSDEScheduler
from safetensors.torch import save_file

from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.absent_scheduler import stand_in
from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.schedule.schedules import schedule_of
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.locate import locate
from tests.support import originals
from tests.support.families import FAMILIES

DDIM = Method(sampler="ddim")


@pytest.fixture
def model(tokenizer, tmp_path, monkeypatch):
    """A folder, and the same in a single file with settings beside it; torchsde is missing."""
    monkeypatch.setattr("diffusers.DPMSolverSDEScheduler", DPMSolverSDEScheduler)
    pipe = FAMILIES["sd1"](tokenizer)
    pipe.save_pretrained(tmp_path / "model")
    save_file(originals.sd1(pipe), tmp_path / "file.safetensors")
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "DPMSolverSDEScheduler"]
    (tmp_path / "model" / "model_index.json").write_text(json.dumps(index))
    shutil.copytree(tmp_path / "model", tmp_path / "file")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["model", "file.safetensors"])
def test_it_is_refused_without_a_sampler_and_loaded_for_one(model, name):
    path = model.parent / name
    with pytest.raises(UserError, match=r"SDEScheduler cannot be used; choose another with method"):
        locate(Config(model=str(path)))
    locate(Config(model=str(path), method=DDIM))
    backbone = load_backbone(path)
    assert backbone.scheduler_config["_class_name"] == "DPMSolverSDEScheduler"
    settings = ModelFolder.read(model).own_config("scheduler")
    ours, theirs = schedule_of(backbone.scheduler_config, DDIM), schedule_of(settings, DDIM)
    assert torch.equal(ours.timesteps, theirs.timesteps)


def test_diffusers_makes_any_other():
    assert stand_in(ModelFolder.read(WEIGHTS / "diffusion")) is None
