"""The tensors of a batch: how rows start, and what is decoded in the end."""

import pytest
import torch

from muse.emotions import Target
from muse.engine.row import Phase
from muse.engine.setup import Setup
from muse.engine.state import BatchState
from muse.method import Method
from muse.request import Request

METHOD = Method(steps=4, timing="fixed", timing_level=0.0, guidance_end=0.5)


@pytest.fixture
def state_of(random_backbone, random_guide, random_clip):
    def _state_of(requests, method=METHOD):
        setup = Setup.of(random_backbone, random_guide, random_clip, method)
        with torch.no_grad():
            state = BatchState(setup, requests)
            state.start(state.rows)
        return state

    return _state_of


def _request(seed=1, image=None):
    return Request("a dog in a forest", Target.of("awe"), seed, image=image)


def test_noise_depends_on_the_seed_alone(state_of):
    both, alone = state_of([_request(1), _request(2)]), state_of([_request(2)])
    assert torch.equal(both.latents[1], alone.latents[0])
    assert not torch.equal(both.latents[0], both.latents[1])


def test_an_edit_starts_as_its_encoded_image_with_the_emotion_that_it_evokes(state_of):
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    state = state_of([_request(), _request(image=image)])
    codec = state.setup.backbone.codec
    with torch.no_grad():
        assert torch.allclose(state.latents[1], codec.encode(image[None])[0], atol=1e-5)
    assert state.inherent.sum(1).tolist() == [0, 1]
    assert float((state.inherent * state.target).sum()) == 0
    assert [row.phase for row in state.rows] == [Phase.TIMING, Phase.INVERT]


def test_an_edit_of_no_strength_is_done_at_once(state_of):
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    (row,) = state_of([_request(image=image)], Method(steps=4, strength=0.0)).rows
    assert row.phase is Phase.DONE


def test_an_edit_from_noise_starts_with_its_picture_under_noise(state_of):
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    method = METHOD.replace(edit_start="noise", strength=0.5)
    state, generated = state_of([_request(7, image=image)], method), state_of([_request(7)])
    schedule, (row,) = state.setup.schedule, state.rows
    with torch.no_grad():
        latents = state.setup.backbone.codec.encode(image[None])
    assert (row.step, row.phase) == (2, Phase.TIMING)
    assert torch.allclose(state.latents, schedule.noised(latents, generated.latents, 2))
    (still,) = state_of([_request(image=image)], method.replace(strength=0.0)).rows
    assert still.phase is Phase.DONE


def test_an_edit_in_one_step_fails_by_inversion_alone(state_of):
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    once = Method(steps=1, strength=1.0, scheduler={"timestep_spacing": "trailing"})
    (failed,) = state_of([_request(image=image)], once).rows
    assert 'method.edit_start = "noise"' in failed.failure
    (row,) = state_of([_request(image=image)], once.replace(edit_start="noise")).rows
    assert row.failure is None


def test_the_phase_of_a_step_follows_from_timing_confidence_and_the_end_of_guidance(state_of):
    state = state_of([_request()])
    (row,) = state.rows
    assert state.next_phase(row, 0) is Phase.TIMING
    row.started = True
    assert state.next_phase(row, 1) is Phase.OPTIMIZE
    row.is_confident = True
    assert state.next_phase(row, 1) is Phase.CHECK
    assert state.next_phase(row, 2) is Phase.STEP, "guidance ends after half of the steps"
    assert state.next_phase(row, 4) is Phase.DONE
    (plain,) = state_of([_request()], Method(steps=4, timing="never")).rows
    assert plain.phase is Phase.STEP


@torch.no_grad()
def test_failed_rows_are_not_decoded(state_of):
    state = state_of([_request(1), _request(2)])
    state.rows[0].fail("the latents became nan at step 1 of 4")
    first, second = state.samples()
    assert (first.pixels, first.failure) == (None, "the latents became nan at step 1 of 4")
    assert second.pixels.shape == (128, 128, 3)
    assert second.pixels.dtype == torch.uint8
