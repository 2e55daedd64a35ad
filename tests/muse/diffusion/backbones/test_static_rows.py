"""A network that is given few numbers of rows, compiled or not, predicts the same."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch._dynamo.utils import counters

from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.base import move
from muse.diffusion.backbones.static_rows import ROWS, StaticRows, compile_blocks, padded_rows
from muse.diffusion.live_memory import on_meta
from muse.emotions import Target
from tests.support.families import FAMILIES, load_family, small_unet

TARGET = Target.of("awe")


def test_rows_are_padded_to_few_numbers():
    given = {rows: padded_rows(rows) for rows in (1, 2, 3, 5, 8, 9, 17, 32, 33, 65)}
    assert given == {1: 1, 2: 2, 3: 4, 5: 8, 8: 8, 9: 16, 17: 32, 32: 32, 33: 64, 65: 96}


def _evaluated(backbone, rows):
    """Outputs of that many different rows, and the gradient of their sum in the tokens."""
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(rows, *backbone.latent_shape, generator=draw)
    timesteps = torch.arange(100, 100 + rows)
    prompts = backbone.text.open(["a dog"] * rows, [TARGET] * rows, 2, ", evoking")
    tokens = backbone.text.start([TARGET] * rows, 2).requires_grad_(True)
    conditioning = backbone.embed(prompts, tokens).guided(torch.full((rows,), 3.5))
    output = backbone.predict(latents, timesteps, conditioning)
    (gradient,) = torch.autograd.grad(output.square().sum(), tokens)
    return output.detach(), gradient


@pytest.mark.parametrize("family", FAMILIES)
def test_padded_rows_change_neither_outputs_nor_gradients(tokenizer, family):
    torch.manual_seed(0)
    plain = load_family(family, tokenizer)
    padded, seen = StaticRows(plain), []
    plain.network.register_forward_hook(lambda *_: seen.append(1))
    for ours, theirs in zip(_evaluated(padded, 3), _evaluated(plain, 3), strict=True):
        assert ours.shape == theirs.shape
        # By the largest value: rounding of large ones is what small ones differ by.
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
    assert len(seen) == 2


def test_all_else_is_the_backbones(tokenizer):
    padded = StaticRows(load_family("sdxl", tokenizer))
    assert padded.latent_shape == padded.backbone.latent_shape
    copied = on_meta(padded)
    assert copied.network.device.type == "meta"
    assert padded.network.device.type == "cpu"
    move(padded, torch.device("meta"))
    assert padded.device.type == "meta"


@pytest.mark.research
def test_every_number_of_rows_is_compiled(tokenizer):
    """Traced alone: torch's own limit of graphs does not depend on what makes code of them."""
    pipe = FAMILIES["sd1"](tokenizer)
    network = small_unet(32)
    compiles = network.compile_repeated_blocks
    network.compile_repeated_blocks = partial(compiles, backend="eager")
    compile_blocks(network)
    width = pipe.text_encoder.config.hidden_size
    counters.clear()
    graphs = [0]
    for rows in ROWS:
        for has_gradient in (True, False):
            words = torch.zeros(rows, 4, width, requires_grad=has_gradient)
            with torch.set_grad_enabled(has_gradient):
                network(torch.zeros(rows, 4, 8, 8), 1, words)
            graphs.append(counters["stats"]["unique_graphs"])
    assert all(later > earlier for earlier, later in pairwise(graphs))


@pytest.mark.slow
def test_a_compiled_network_predicts_the_same_and_is_compiled_for_few_numbers(tokenizer, tmp_path):
    """With a block for each direction and none between: torch takes long to compile a network."""
    torch.manual_seed(0)
    pipe = FAMILIES["sd1"](tokenizer)
    pipe.unet = small_unet(32)
    pipe.save_pretrained(tmp_path, safe_serialization=True)
    plain, compiled = load_backbone(tmp_path), load_backbone(tmp_path, compile="on")
    counters.clear()
    graphs = []
    for rows in (3, 4, 5, 7):
        for ours, theirs in zip(_evaluated(compiled, rows), _evaluated(plain, rows), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[1] < graphs[2] == graphs[3]
