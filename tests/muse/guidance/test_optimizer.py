"""One inner iteration: its gradient is right, and no row knows of another."""

import pytest
import torch

from muse.diffusion.schedule.schedules import make_schedule
from muse.emotions import Target
from muse.emotions.probabilities import Probabilities
from muse.guidance.losses import multi_emotion_loss, similar_mask
from muse.guidance.optimizer import MAX_GRADIENT_NORM, TokenState, evaluate_with_gradient
from tests.support.tiny_models import random_resnet, tiny_stable_diffusion


@pytest.fixture(scope="module")
def setting(tokenizer):
    """The models in float64, where equal means equal to rounding. Rows stand at different steps."""
    backbone, guide = tiny_stable_diffusion(tokenizer, torch.float64), random_resnet().double()
    targets = [Target.of("awe"), Target.of("fear"), Target.of({"anger": 0.5, "disgust": 0.5})]
    prompts = backbone.text.open(
        ["a dog in a forest", "a cat by a pond", "a car"], targets, 2, ", evoking"
    )
    tokens = backbone.text.start(targets, 2).double()
    torch.manual_seed(3)
    latents = torch.randn(3, *backbone.latent_shape, dtype=torch.float64)
    weights = torch.tensor([target.weights for target in targets], dtype=torch.float64)
    similar = torch.tensor([similar_mask(target) for target in targets], dtype=torch.float64)
    schedule, steps = make_schedule(backbone.scheduler_config, 10), torch.tensor([3, 5, 8])

    def probs_of(pixels):
        return Probabilities.from_softmax(guide(pixel_values=pixels * 2 - 1).logits)

    def content_of(pixels):
        return 0.3 * pixels.square().mean((1, 2, 3))

    def go(rows, at=tokens):
        def loss_of(probs):
            none = torch.zeros_like(similar[rows])
            return multi_emotion_loss(probs, weights[rows], none, similar[rows], 0.5, 0.25, 1.0)

        def conditioning_of(leaf):
            return backbone.embed(prompts.rows(rows), leaf)

        return evaluate_with_gradient(
            backbone,
            schedule,
            steps[rows],
            latents[rows],
            at[rows],
            conditioning_of,
            backbone.codec.decode_draft,
            probs_of,
            loss_of,
            content_of,
        )

    return go, tokens


def test_the_gradient_is_the_slope_of_the_loss(setting):
    go, tokens = setting
    rows = torch.tensor([0])
    gradient = go(rows).gradient
    torch.manual_seed(0)
    direction = torch.randn_like(tokens)
    # Smaller than the way to the nearest kink of a rectifier.
    h = 1e-6
    slope = (go(rows, tokens + h * direction).loss - go(rows, tokens - h * direction).loss) / (
        2 * h
    )
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
    state = TokenState.start(start, scale=torch.ones(8))
    leaf = start[1:2].clone().requires_grad_(True)
    adam = torch.optim.Adam([leaf], lr=0.1, betas=(0.9, 0.99), eps=1e-12)
    for _ in range(5):
        gradient = torch.randn(1, 2, 8)
        leaf.grad = gradient.clone()
        adam.step()
        state.update(torch.tensor([1]), gradient, 0.1)
    assert torch.allclose(state.tokens[1], leaf[0].detach(), atol=1e-5)
    assert torch.equal(state.tokens[[0, 2]], start[[0, 2]])
    assert state.updates.tolist() == [0, 5, 0]


def test_an_exploding_gradient_does_not_still_the_moments():
    """Unclipped, a gradient of 1e6 would leave a second moment that hides every later one."""
    state, row = TokenState.start(torch.zeros(1, 1, 8), scale=torch.ones(8)), torch.tensor([0])
    state.update(row, torch.full((1, 1, 8), 1e6), 0.1)
    assert float(state.second_moment.max()) <= 0.01 * MAX_GRADIENT_NORM**2
    high = float(state.tokens.max())
    for _ in range(10):
        state.update(row, torch.full((1, 1, 8), -1.0), 0.1)
    assert float(state.tokens.min()) > high
