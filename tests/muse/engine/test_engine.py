"""The engine on random weights: what holds whatever the models are."""

import statistics

import pytest
import torch

from muse.diffusion.live_memory import LiveBytes
from muse.diffusion.schedule.sampler import to_x0_eps
from muse.diffusion.schedule.schedules import make_schedule
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.guidance.fitted_tokens import FittedTokens
from muse.method import Method
from muse.request import Request

QUICK = Method(steps=4, max_updates_per_step=1, timing="fixed", timing_level=0.0, guidance_end=1.0)


@pytest.fixture
def make(random_backbone, random_guide, random_clip):
    def _make(requests, method=QUICK, slots=0, on_step=None):
        return MuseEngine(random_backbone, random_guide, random_clip, method, slots).run(
            requests, on_step
        )

    return _make


def _request(seed=1, emotion="awe", image=None, prompt="a dog in a forest"):
    return Request(prompt, Target.of(emotion), seed, image=image)


def test_the_same_batch_gives_the_same_pixels_and_traces(make):
    requests = [
        _request(1),
        _request(2, image=torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))),
    ]
    first, second = make(requests), make(requests)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.pixels, b.pixels)
        assert a.trace == b.trace


def test_seed_target_and_prompt_each_change_the_picture(make):
    samples = make(
        [_request(1), _request(2), _request(1, "fear"), _request(1, prompt="a cat by a pond")]
    )
    pixels = [sample.pixels for sample in samples]
    assert all(not torch.equal(pixels[0], other) for other in pixels[1:])


def test_a_trace_records_what_was_done(make):
    (sample,) = make([_request()])
    trace = sample.trace
    assert trace.start_step == 0
    assert len(trace.similarity) == 1
    assert trace.inherent is not None
    assert trace.inherent != "awe"
    assert trace.updates == len(trace.loss) == len(trace.confidence) == 4
    # Forward and backward at each evaluation, whose output serves the step; the unconditional
    # branch once a step; and one to decide the start.
    assert trace.nfe == 4 * 2 + 4 * 1 + 1


def test_without_guidance_it_is_plain_ddim(make, random_backbone):
    method = Method(steps=4, timing="never")
    (sample,) = make([_request()], method)
    backbone, schedule = random_backbone, make_schedule(random_backbone.scheduler_config, 4)
    with torch.no_grad():
        context = backbone.embed(backbone.text.plain(["a dog in a forest", ""]))
        latents = torch.randn(1, *backbone.latent_shape, generator=torch.Generator().manual_seed(1))
        for i, timestep in enumerate(schedule.timesteps):
            cond, base = backbone.predict(
                latents.expand(2, -1, -1, -1), timestep.expand(2), context
            )[:, None]
            mixed = base + method.guidance_scale * (cond - base)
            x0, eps = to_x0_eps(
                mixed,
                latents,
                float(schedule.alphas[i]),
                float(schedule.sigmas[i]),
                schedule.prediction,
            )
            latents = float(schedule.alphas[i + 1]) * x0 + float(schedule.sigmas[i + 1]) * eps
        pixels = backbone.codec.decode(latents)[0].permute(1, 2, 0).clamp(0, 1) * 255
    assert (pixels - sample.pixels).abs().max() <= 1.0
    assert sample.trace.updates == 0


def test_a_finished_request_leaves_its_slot_to_the_next(make):
    """Two slots for four requests give what four slots give, with two rows open at most."""
    source = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    requests = [_request(1), _request(2, image=source), _request(3, "fear"), _request(4, "anger")]
    seen = []
    # Small steps: where Adam turns the sign of a tiny gradient into a step, rounding decides it.
    method = QUICK.replace(learning_rate=0.01)
    few = make(
        requests, method, slots=2, on_step=lambda row, latents: seen.append((row.number, row.step))
    )
    many = make(requests, method)
    for a, b in zip(few, many, strict=True):
        # Two levels of 255: other rows share the forwards, and float sums round differently.
        assert (a.pixels.int() - b.pixels.int()).abs().max() <= 2
        assert a.trace.nfe == b.trace.nfe
    order = [number for number, _ in seen]
    first = {n: order.index(n) for n in range(4)}
    last = {n: len(order) - 1 - order[::-1].index(n) for n in range(4)}
    for at in range(len(seen)):
        assert sum(first[n] <= at <= last[n] for n in range(4)) <= 2
    assert [index for number, index in seen if number == 0] == [0, 1, 2, 3]


def test_a_step_is_taken_with_the_tokens_of_the_lowest_loss(make):
    """Where every update raises the loss, it is as if there had been one evaluation a step."""
    once = Method(
        steps=4,
        max_updates_per_step=1,
        timing="fixed",
        timing_level=0.0,
        guidance_end=0.25,
        learning_rate=0.0,
    )
    # Up the gradient, which no user can ask for.
    rising = once.replace(max_updates_per_step=2).model_copy(update={"learning_rate": -0.3})
    (a,), (b,) = make([_request()], once), make([_request()], rising)
    first, second = b.trace.loss
    assert first < second
    assert (a.pixels.int() - b.pixels.int()).abs().max() <= 1


def test_each_named_variant_changes_the_picture(make):
    base = make([_request()])[0].pixels
    for change in (
        {"prompt_suffix": ", evoking {emotion}"},
        {"sampler": "dpm++"},
    ):
        assert not torch.equal(make([_request()], QUICK.replace(**change))[0].pixels, base), change


def test_tokens_start_on_the_way_from_nothing_to_their_words(make):
    """From nothing, and never moved, they are the same for every emotion."""
    pictures = {}
    for scale in (0.0, 0.5, 1.0):
        still = QUICK.replace(learning_rate=0.0, initial_scale=scale)
        pictures[scale] = [
            make([_request(emotion=emotion)], still)[0].pixels for emotion in ("awe", "fear")
        ]
    assert torch.equal(*pictures[0.0])
    assert not torch.equal(*pictures[0.5])
    assert not torch.equal(pictures[0.5][0], pictures[1.0][0])


def test_without_warm_start_each_step_begins_with_the_words(make):
    """At one evaluation a step the tokens then are the words at every prediction."""
    cold, words = (
        QUICK.replace(warm_start=False),
        QUICK.replace(learning_rate=0.0),
    )
    assert torch.equal(make([_request()], cold)[0].pixels, make([_request()], words)[0].pixels)
    assert not torch.equal(make([_request()])[0].pixels, make([_request()], words)[0].pixels)


def test_a_confident_guide_leaves_the_tokens_as_they_are_and_costs_no_gradient(make):
    (sample,) = make(
        [_request()],
        Method(steps=4, timing="fixed", timing_level=0.0, stop_confidence=0.0, guidance_end=1.0),
    )
    assert sample.trace.updates == 0
    # The first evaluation has a gradient, since the guide's confidence is unknown. At the other
    # steps the prediction of the check serves the step, too.
    assert (sample.trace.guide_gradients, sample.trace.guide_forwards) == (1, 3)
    assert len(sample.trace.confidence) == 4
    assert sample.trace.nfe == 2 + 3 * 1 + 4 * 1 + 1


def test_each_emotion_of_a_mixture_has_its_updates(make):
    one, pair = make(
        [_request(), _request(emotion={"awe": 0.7, "fear": 0.3})],
        QUICK.replace(stop_confidence=1.0),
    )
    assert (one.trace.updates, pair.trace.updates) == (4, 8)


def test_a_guide_that_is_no_longer_confident_is_evaluated_with_a_gradient(make):
    """At the median confidence some checks find the guide confident, and others do not."""
    method = Method(
        steps=5, timing="fixed", timing_level=0.0, guidance_end=1.0, max_updates_per_step=2
    )
    requests = [_request(seed) for seed in range(4)]
    level = statistics.median(
        c for sample in make(requests, method) for c in sample.trace.confidence
    )
    traces = [sample.trace for sample in make(requests, method.replace(stop_confidence=level))]
    repeated = [
        trace.guide_gradients + trace.guide_forwards - len(trace.confidence) for trace in traces
    ]
    assert max(repeated) > 0, "no check found the guide unsure"
    assert sum(trace.guide_forwards for trace in traces) > sum(repeated), (
        "no check found it confident"
    )
    for trace in traces:
        assert trace.updates == sum(confidence < level for confidence in trace.confidence)


def test_a_row_that_turns_non_finite_fails_alone(make):
    broken = torch.full((3, 128, 128), float("nan"))
    first, failed, last = make([_request(1), _request(2, image=broken), _request(3)])
    assert failed.pixels is None
    assert "non-finite" in failed.failure
    alone = make([_request(1), _request(2, image=torch.zeros(3, 128, 128)), _request(3)])
    for row, sample in ((0, first), (2, last)):
        # Two levels of 255: without the failed row a forward pass is smaller, and float sums
        # round differently.
        assert (sample.pixels.int() - alone[row].pixels.int()).abs().max() <= 2


def test_an_image_that_decodes_to_nan_fails_alone(make, random_backbone, monkeypatch):
    """As a VAE in float16 does, whose activations overflow on some latents."""
    decode, steps = random_backbone.codec.decode, []

    def overflowing(latents):
        pixels = decode(latents)
        if len(steps) == 3 * QUICK.steps:  # the last decode, of what is kept
            pixels[1, :, 0, 0] = float("nan")
        return pixels

    monkeypatch.setattr(random_backbone.codec, "decode", overflowing)
    requests = [_request(1), _request(2), _request(3)]
    before, failed, after = make(requests, on_step=lambda row, _: steps.append(row.number))
    assert failed.pixels is None
    assert "the decoded image is non-finite" in failed.failure
    assert before.pixels is not None
    assert after.pixels is not None


def test_a_batch_takes_as_much_memory_as_is_tried(random_backbone, random_guide, random_clip):
    """Also where guidance starts later."""
    method = Method(steps=2, max_updates_per_step=1, timing="threshold", timing_level=1.0)
    engine = MuseEngine(random_backbone, random_guide, random_clip, method)
    with LiveBytes() as tried:
        engine.try_memory(2)
    with LiveBytes() as taken:
        samples = engine.run([_request(1), _request(2)])
    assert [sample.trace.start_step for sample in samples] == [1, 1]
    assert tried.peak == pytest.approx(taken.peak, rel=0.1)


@pytest.mark.parametrize(("slots", "rows"), [(0, 3), (2, 2)])
def test_all_rows_that_can_be_open_are_tried_with_a_gradient(
    random_backbone, random_guide, random_clip, monkeypatch, slots, rows
):
    engine, seen = MuseEngine(random_backbone, random_guide, random_clip, QUICK, slots), []
    probs = random_guide.probs

    def noted(pixels):
        seen.append((len(pixels), pixels.requires_grad))
        return probs(pixels)

    monkeypatch.setattr(random_guide, "probs", noted)
    engine.try_memory(3)
    assert (rows, True) in seen


def test_what_was_tried_leaves_no_trace_in_a_batch(random_backbone, random_guide, random_clip):
    engine = MuseEngine(random_backbone, random_guide, random_clip, QUICK)
    (before,) = engine.run([_request()])
    engine.try_memory(2)
    (after,) = engine.run([_request()])
    assert torch.equal(before.pixels, after.pixels)
    assert before.trace == after.trace


def test_a_sample_has_the_tokens_that_satisfied_the_guide(make):
    (satisfied,) = make([_request()], QUICK.replace(stop_confidence=0.0))
    (unsatisfied,) = make([_request()], QUICK.replace(stop_confidence=1.0))
    (plain,) = make([_request()], QUICK.replace(timing="never"))
    assert satisfied.tokens.shape[0] == QUICK.tokens
    assert unsatisfied.tokens is None
    assert plain.tokens is None


def test_tokens_as_they_were_fitted_cost_what_plain_sampling_costs(make, random_backbone):
    text = random_backbone.text
    words = text.start([Target.of("awe")], QUICK.tokens)[0]
    text.fitted = FittedTokens({"awe": words}, {"awe": 1.0})
    try:
        (kept,) = make([_request()])
        (other,) = make([_request(2, "fear")])
        updated = make([_request()], QUICK.replace(updates="always"))[0]
    finally:
        text.fitted = None
    assert kept.trace.nfe == 2 * QUICK.steps
    assert kept.trace.updates == kept.trace.guide_gradients == 0
    assert other.trace.updates > 0
    assert updated.trace.updates > 0
    unguided = make([_request()], QUICK.replace(max_updates_per_step=0))[0]
    difference = (kept.pixels.int() - unguided.pixels.int()).abs().max()
    assert difference <= 1, "the same words, never updated, to rounding"
