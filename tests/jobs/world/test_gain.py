"""How much worse a diffusion model is under wrong captions: not at all if it does not read them."""

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import nn

from jobs.world import models as build
from jobs.world.gain import TIMESTEPS, captions_of, gains, held_out, main
from jobs.world.samples import Weights, load_unfinished

COUNT = 6


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Checkpoints of random weights. The text encoder of `live` says the same of any caption."""
    folder = tmp_path_factory.mktemp("work")
    torch.manual_seed(1)
    tokenizer = build.build_tokenizer(folder / "tokenizer")
    parts = {"unet": build.build_unet(), "text_encoder": build.build_text_encoder(tokenizer)}
    model, vae = nn.ModuleDict(parts), build.build_vae()
    ema = {name: value.clone() for name, value in model.state_dict().items()}
    norms = [name for name in ema if name.endswith("final_layer_norm.weight")]
    assert norms, "the text encoder ends with a norm"
    live = ema | {name: torch.zeros_like(ema[name]) for name in norms}
    torch.save({"ema": ema, "live": live}, folder / "diffusion.pt")
    torch.save({"vae": vae.state_dict()}, folder / "vae.pt")
    torch.save(torch.randn(8, build.LATENT_CHANNELS, 2, 2), folder / "latents.pt")
    return folder


class Reader(nn.Module):
    """Errs the more, the farther its context is from those of the right captions."""

    def __init__(self, right):
        super().__init__()
        self.right = right

    def forward(self, noisy, timesteps, context):
        distance = (context - self.right).square().mean((1, 2)).view(-1, 1, 1, 1)
        return UNet2DConditionOutput(sample=(100 * distance).expand_as(noisy))


def test_a_wrong_caption_differs_in_the_subject_or_in_the_place_alone():
    scenes = held_out(COUNT)
    captions = captions_of(scenes)
    for i, right in enumerate(captions["right"]):
        place, subject = (captions[kind][i] for kind in ("place", "subject"))
        assert len({right, place, subject}) == 3
        assert right.split()[1] in place, "the subject is right"
        assert right.split()[-1] in subject, "the place is right"


def test_captions_that_are_not_read_gain_nothing(work):
    for by_timestep in gains(load_unfinished(work, Weights.LIVE), COUNT).values():
        assert {*by_timestep} == {*TIMESTEPS}
        for gain in by_timestep.values():
            assert gain == {"mean": 0.0, "low": 0.0, "high": 0.0, "n": COUNT}


def test_captions_that_are_read_gain(work):
    pipe = load_unfinished(work, Weights.EMA)
    ids = pipe.tokenizer(
        captions_of(held_out(COUNT))["right"], padding="max_length", return_tensors="pt"
    ).input_ids
    with torch.inference_mode():
        pipe.unet = Reader(pipe.text_encoder(ids)[0])
        for by_timestep in gains(pipe, COUNT).values():
            for gain in by_timestep.values():
                assert gain["low"] > 0


def test_the_command_tells_each_gain(work, capsys):
    main(work, Weights.LIVE, count=2, threads=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(TIMESTEPS)
    assert lines[0] == "wrong subject, t = 800: +0.00% (+0.00% to +0.00%)"
