"""One tick: which rows share a pass of the network, and what it leaves behind."""

import pytest
import torch

from muse.emotions import Target
from muse.engine.phases import tick
from muse.engine.row import Phase
from muse.engine.setup import Setup
from muse.engine.state import BatchState
from muse.method import Method
from muse.request import Request

METHOD = Method(steps=4, max_updates_per_step=1, timing="fixed", timing_level=0.0)


@pytest.fixture
def batch(random_backbone, random_guide, random_clip, monkeypatch):
    """A generation and an edit, and the sizes of the passes that were made for them."""
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    requests = [
        Request("a dog", Target.of("awe"), 1),
        Request("a cat", Target.of("fear"), 2, image=image),
    ]
    passes, predict = [], random_backbone.predict

    def counted(latents, *rest):
        passes.append(len(latents))
        return predict(latents, *rest)

    monkeypatch.setattr(random_backbone, "predict", counted)
    with torch.no_grad():
        state = BatchState(Setup.of(random_backbone, random_guide, random_clip, METHOD), requests)
        state.start(state.rows)
    return state, passes


@torch.no_grad()
def test_rows_of_all_phases_share_one_pass(batch):
    """The edit's inversion, and the plain and the unconditional output of the generation."""
    state, passes = batch
    tick(state, state.rows, None)
    assert passes == [3]
    generation, edit = state.rows
    assert generation.phase is Phase.OPTIMIZE
    assert generation.has_unconditional
    assert (edit.phase, edit.step) == (Phase.INVERT, 2)
    assert (generation.trace.nfe, edit.trace.nfe) == (2, 1)


@torch.no_grad()
def test_an_evaluation_leaves_its_output_to_the_step(batch):
    state, passes = batch
    generation, _ = state.rows
    calls = []
    for _ in range(2):
        tick(state, state.rows, lambda row, latents: calls.append((row.number, row.step)))
    # The second tick has a pass with gradients, and one for the inversion alone.
    assert passes == [3, 1, 1]
    assert calls == [(0, 0)]
    assert (generation.step, generation.phase) == (1, Phase.OPTIMIZE)
    assert generation.trace.updates == 1


@torch.no_grad()
def test_a_row_whose_gradient_is_non_finite_fails_and_keeps_its_tokens(batch, monkeypatch):
    state, _ = batch
    tick(state, state.rows, None)
    before = state.tokens.tokens.clone()
    monkeypatch.setattr(state, "loss", lambda i, probs: probs.log_p.sum(-1) * float("nan"))
    tick(state, state.rows, None)
    assert "non-finite at step 0" in state.rows[0].failure
    assert state.rows[1].failure is None
    assert torch.equal(state.tokens.tokens, before)
