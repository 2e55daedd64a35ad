"""Finished stages of the training that lie in the repository."""

import torch
from safetensors import safe_open
from torch import nn

from jobs.world import finished
from jobs.world.recipe import CLIPS, CONTENTS, ROLES, Recipe
from jobs.world.training_loop import Training


class Part(nn.Module):
    """Weights, and a buffer that counts."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


def _trained(work, part: nn.Module) -> Training:
    training = Training("part", work, {"model": part}, rate=0.1, steps=3)
    training.run(lambda step: part.norm(part.linear(torch.ones(2, 3))).square().mean())
    return training


def test_a_new_folder_goes_on_from_a_finished_stage(tmp_path):
    old, new, kept = (tmp_path / name for name in ("old", "new", "kept"))
    old.mkdir()
    new.mkdir()
    trained = Part()
    _trained(old, trained)
    assert finished.keep(old / "part.pt", kept).stat().st_size < (old / "part.pt").stat().st_size
    assert finished.take(new, kept) == ["part"]
    again = Part()
    training = _trained(new, again)
    assert training.step == 3
    for name, value in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.half().to(value.dtype))


def test_what_a_folder_has_is_left_alone(tmp_path):
    _trained(tmp_path, Part())
    finished.keep(tmp_path / "part.pt", tmp_path / "kept")
    before = (tmp_path / "part.pt").read_bytes()
    assert finished.take(tmp_path, tmp_path / "kept") == []
    assert (tmp_path / "part.pt").read_bytes() == before


def test_the_finished_stages_have_all_of_their_steps():
    recipe = Recipe()
    steps = {"vae": recipe.vae_steps, "diffusion": recipe.diffusion_steps}
    steps |= dict.fromkeys(CLIPS, recipe.clip_steps)
    steps |= {name: role.steps for name, role in ROLES.items()}
    steps |= dict.fromkeys(CONTENTS, recipe.content_steps)
    files = [*finished.FINISHED.glob("*.safetensors")]
    assert files
    for file in files:
        with safe_open(file, "pt") as opened:
            assert int(opened.metadata()["step"]) == steps[file.stem], file.name
