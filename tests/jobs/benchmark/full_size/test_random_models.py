"""Models of random weights have the sizes that their names stand for."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from jobs.benchmark.full_size.random_models import SIZES, build


@pytest.fixture(scope="module")
def tiny():
    return build("tiny", torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(("name", "billions"), [("sd15", 0.86), ("sdxl", 2.57)])
def test_a_network_has_the_parameters_of_the_published_one(name, billions):
    with torch.device("meta"):
        network = UNet2DConditionModel(**SIZES[name].unet)
    assert sum(p.numel() for p in network.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)


def test_the_weights_are_the_same_each_time(tiny):
    again = build("tiny", torch.device("cpu"), torch.float32)
    pairs = zip(
        tiny.backbone.network.parameters(), again.backbone.network.parameters(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_only_the_exact_backbone_shows_the_guide_what_the_decoder_makes(tiny):
    latents = torch.randn(1, *tiny.backbone.latent_shape)
    with torch.no_grad():
        drafts = [one.codec.decode_draft(latents) for one in (tiny.backbone, tiny.exact)]
        whole = tiny.exact.codec.decode(latents)
    assert not torch.equal(drafts[0], whole)
    assert torch.equal(drafts[1], whole)
