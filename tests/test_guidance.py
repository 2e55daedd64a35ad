"""One inner iteration: its gradient is right, and no row knows of another."""

import copy

import pytest
import torch

from muse.emotions import Target
from muse.guidance import TokenState, read
from muse.losses import multi_emotion_loss, similar_mask
from muse.tokens import initial_tokens, open_slots


@pytest.fixture(scope="module")
def setting(random_backbone, random_guide):
    """The models in float64, where equal means equal to rounding."""
    backbone, guide = copy.deepcopy(random_backbone), copy.deepcopy(random_guide)
    for part in (backbone.unet, backbone.vae, backbone.text_encoder, guide):
        part.double()
    backbone.token_table = backbone.text_encoder.get_input_embeddings()
    targets = [Target.of("awe"), Target.of("fear"), Target.of({"anger": 0.5, "disgust": 0.5})]
    slots = open_slots(backbone.tokenizer, ["a dog in a forest", "a cat by a pond", "a car"], targets, 2)
    tokens = initial_tokens(backbone.tokenizer, backbone.token_table, targets, 2).double()
    torch.manual_seed(3)
    latents = torch.randn(3, *backbone.latent_shape, dtype=torch.float64)
    weights = torch.tensor([target.weights for target in targets], dtype=torch.float64)
    similar = torch.tensor([similar_mask(target) for target in targets], dtype=torch.float64)

    def logits_of(pixels):
        return guide.model(pixel_values=pixels * 2 - 1).logits

    def go(rows, at=tokens):
        def loss_of(logits):
            return multi_emotion_loss(logits, weights[rows], torch.zeros_like(similar[rows]), similar[rows], 0.5, 0.25)

        noise, told = (0.6, 0.8), torch.tensor(500)
        return read(
            backbone, latents[rows], told, noise, "v_prediction", slots.rows(rows), at[rows], logits_of, loss_of
        )

    return go, tokens


def test_the_gradient_is_the_slope_of_the_loss(setting):
    go, tokens = setting
    rows = torch.tensor([0])
    gradient = go(rows).gradient
    torch.manual_seed(0)
    direction = torch.randn_like(tokens)
    h = 1e-5
    slope = (go(rows, tokens + h * direction).loss - go(rows, tokens - h * direction).loss) / (2 * h)
    assert slope.item() == pytest.approx((gradient * direction[rows]).sum().item(), rel=1e-5)


def test_a_row_in_a_batch_has_the_gradient_that_it_has_alone(setting):
    go, _ = setting
    together = go(torch.tensor([0, 1, 2]))
    for row in range(3):
        alone = go(torch.tensor([row]))
        assert torch.allclose(together.gradient[row], alone.gradient[0], rtol=1e-9, atol=1e-14)
        assert torch.allclose(together.loss[row], alone.loss[0], rtol=1e-12)


def test_adam_is_torchs_adam_row_by_row():
    torch.manual_seed(0)
    start = torch.randn(3, 2, 8)
    state = TokenState.start(start, scale=8**0.5)
    leaf = start[1:2].clone().requires_grad_(True)
    adam = torch.optim.Adam([leaf], lr=0.1, betas=(0.9, 0.99), eps=1e-12)
    for _ in range(5):
        gradient = torch.randn(1, 2, 8)
        leaf.grad = gradient.clone()
        adam.step()
        state.update(torch.tensor([1]), gradient, 0.1)
    assert torch.allclose(state.tokens[1], leaf[0].detach(), atol=1e-5)
    assert torch.equal(state.tokens[[0, 2]], start[[0, 2]])
    assert state.count.tolist() == [0, 5, 0]
