"""What each phase does for the rows that are in it (see `muse.engine.row.Phase`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from muse.classifiers.clip import similarity
from muse.diffusion.backbones.base import Conditioning
from muse.diffusion.inversion import ddim_invert_step, inversion_index
from muse.diffusion.schedule.sampler import apply_cfg, denoise_step
from muse.engine.row import Phase, Row
from muse.engine.state import BatchState, numbers_of, steps_of
from muse.guidance.losses import inherent_mask
from muse.guidance.optimizer import GuideEvaluation, evaluate_with_gradient

OnStep = Callable[[Row, Tensor], Tensor | None]
"""Called after each denoising step with a row and its new latents (c, h, w).

It may return other latents of that shape, from which the row goes on.
"""


def tick(state: BatchState, rows: Sequence[Row], on_step: OnStep | None) -> None:
    """All that one pass with gradients and one pass without can do for the open rows."""
    if optimizing := [row for row in rows if row.phase is Phase.OPTIMIZE]:
        optimize(state, optimizing)
    inverting = [row for row in rows if row.phase is Phase.INVERT]
    timing = [row for row in rows if row.phase is Phase.TIMING]
    checking = [row for row in rows if row.phase is Phase.CHECK]
    stepping = [row for row in rows if row.phase is Phase.STEP]
    predict(state, inverting, timing, checking, stepping)
    if inverting:
        invert(state, inverting)
    if timing:
        decide_start(state, timing)
    if checking:
        check(state, checking)
    # Rows whose timing or check asks for no optimisation take their step with the same outputs. One
    # that has just started needs an output with its tokens first, which only the next pass has.
    plain = [row for row in timing if not row.started]
    if ready := [row for row in stepping + checking + plain if row.phase is Phase.STEP]:
        step(state, ready, on_step)


def optimize(state: BatchState, rows: Sequence[Row]) -> None:
    """HOW: evaluate the guide with a gradient, and update the tokens of rows that need it.

    The step is taken with the tokens of the lowest loss among its evaluations.
    """
    setup, i = state.setup, numbers_of(rows)
    evaluation = evaluate_with_gradient(
        setup.backbone,
        setup.schedule,
        steps_of(rows),
        state.latents[i],
        state.tokens.tokens[i],
        lambda tokens: state.conditioning(i, tokens),
        lambda x0: state.seen(rows, x0),
        setup.guide.probs,
        lambda probs: state.loss(i, probs),
        lambda pixels: state.content_loss(i, pixels),
    )
    better, unsure = _note_evaluation(state, rows, evaluation)
    state.conditional[i[better]] = evaluation.output[better]
    state.best_tokens[i[better]] = state.tokens.tokens[i[better]]
    state.tokens.update(i[unsure], evaluation.gradient[unsure], setup.method.learning_rate)


def _note_evaluation(
    state: BatchState, rows: Sequence[Row], evaluation: GuideEvaluation
) -> tuple[list[int], list[int]]:
    """Note an evaluation in the rows; those with the lowest loss so far, and those to update."""
    is_finite = torch.isfinite(evaluation.gradient).flatten(1).all(1)
    probs, multi_label = evaluation.probs.p, evaluation.probs.multi_label
    better, unsure = [], []
    numbers = _to_lists(is_finite, evaluation.loss, evaluation.content, probs)
    for k, (row, (finite, loss, content, *p)) in enumerate(zip(rows, numbers, strict=True)):
        row.evaluations += 1
        row.trace.loss.append(loss)
        row.trace.confidence.append(row.request.target.confidence(p, multi_label))
        row.trace.nfe += 2
        row.trace.guide_gradients += 1
        if not finite:
            row.fail(
                f"the gradient is non-finite at step {row.step}, evaluation {row.evaluations} "
                f"(loss {loss})"
            )
            continue
        if loss < row.lowest_loss:
            row.lowest_loss, row.has_conditional = loss, True
            better.append(k)
        row.is_confident = content == 0 and state.is_confident(row, p, multi_label)
        if not row.is_confident:
            unsure.append(k)
            row.trace.updates += 1
        limit = state.setup.method.max_updates_per_step * len(row.request.target.members)
        if row.is_confident or row.evaluations == limit:
            row.phase = Phase.STEP
    return better, unsure


def predict(
    state: BatchState,
    inverting: list[Row],
    timing: list[Row],
    checking: list[Row],
    stepping: list[Row],
) -> None:
    """One pass of the network without gradients, for all outputs that the rows need."""
    policy = state.setup.timing
    # Plain prompts: for inversion and timing, and for every step where guidance never starts.
    plain = inverting + (stepping if policy is None else timing)
    # Prompts with tokens: unless the last optimisation has left the output already.
    missing = [row for row in stepping if not row.has_conditional]
    guided = [] if policy is None else checking + missing
    guided.sort(key=lambda row: row.stays_fitted)
    # Negative prompts: for classifier-free guidance.
    denoising = [row for row in timing + checking + stepping if not row.has_unconditional]
    negative = [row for row in denoising if row.guidance_scale != 1.0]
    rows = [*plain, *guided, *negative]
    if not rows:
        return

    i_negative = numbers_of(negative)
    parts = [state.plain.rows(numbers_of(plain)), state.negative.rows(i_negative)]
    if guided:
        i_checking = numbers_of(checking)
        state.best_tokens[i_checking] = state.tokens.tokens[i_checking]
        parts.insert(1, state.with_tokens(guided))
    output = state.setup.backbone.predict(
        state.latents[numbers_of(rows)],
        _timesteps(state, rows, len(inverting)),
        Conditioning.cat(parts),
    )
    conditional = len(plain) + len(guided)
    state.conditional[numbers_of(plain + guided)] = output[:conditional]
    state.unconditional[i_negative] = output[conditional:]
    for row in rows:
        row.trace.nfe += 1
    for row in negative:
        row.has_unconditional = True


def _timesteps(state: BatchState, rows: Sequence[Row], inverting: int) -> Tensor:
    """The timestep (r,) of each row's prediction; the first `inverting` rows are being inverted."""
    schedule, steps = state.setup.schedule, steps_of(rows)
    steps[:inverting] = inversion_index(schedule, steps[:inverting])
    return schedule.timesteps[steps].to(state.latents.device)


def invert(state: BatchState, rows: Sequence[Row]) -> None:
    """One step of DDIM inversion; a row that has reached its first step begins to denoise there."""
    schedule, i = state.setup.schedule, numbers_of(rows)
    state.latents[i] = ddim_invert_step(
        schedule, steps_of(rows), state.latents[i], state.conditional[i]
    )
    for row in rows:
        state.note_inverted(row)
        if row.step == row.first_step:
            row.enter(row.first_step, state.next_phase(row, row.first_step))
            continue
        row.step -= 1
        if schedule.stays(row.step):
            state.note_inverted(row)
            row.step -= 1


def decide_start(state: BatchState, rows: Sequence[Row]) -> None:
    """WHEN: rows that start also learn which emotion their content evokes by itself."""
    setup, i = state.setup, numbers_of(rows)
    policy = setup.timing
    assert policy is not None, "without a timing no row is in this phase"
    pixels = state.pixels(rows, state.conditional)
    similarities = similarity(setup.clip.image(pixels), state.text_features[i]).cpu().tolist()
    inherent = inherent_mask(setup.guide.probs(pixels).p, state.target[i])
    for k, row in enumerate(rows):
        row.phase = Phase.STEP
        row.trace.similarity.append(similarities[k])
        if policy.starts(row.trace.similarity, row.step / len(setup.schedule)):
            row.started, row.trace.start_step = True, row.step
            # An edit's own emotion is that of its source, which is known already.
            if row.request.image is None:
                state.inherent[row.number] = inherent[k]
            row.inherent = int(state.inherent[row.number].argmax())
            row.trace.inherent = setup.guide.taxonomy.labels[row.inherent]
            row.phase = state.next_phase(row, row.step)


def check(state: BatchState, rows: Sequence[Row]) -> None:
    """Whether a guide that was confident still is, and the content is still kept.

    If so, no gradient is needed, and the prediction serves the step. If not, the row is
    optimised.
    """
    i = numbers_of(rows)
    pixels = state.pixels(rows, state.conditional)
    probs, content = state.setup.guide.probs(pixels), state.content_loss(i, pixels)
    numbers = _to_lists(state.loss(i, probs) + content, content, probs.p)
    for row, (loss, lost, *p) in zip(rows, numbers, strict=True):
        row.trace.guide_forwards += 1
        row.is_confident = lost == 0 and state.is_confident(row, p, probs.multi_label)
        row.has_conditional = row.is_confident
        row.phase = Phase.STEP if row.is_confident else Phase.OPTIMIZE
        if row.is_confident:
            row.trace.loss.append(loss)
            row.trace.confidence.append(row.request.target.confidence(p, probs.multi_label))


def step(state: BatchState, rows: Sequence[Row], on_step: OnStep | None) -> None:
    """The denoising step."""
    setup, i = state.setup, numbers_of(rows)
    scale = torch.tensor([row.guidance_scale for row in rows]).view(-1, 1, 1, 1).to(state.latents)
    # At a scale of 1 the unconditional output has no weight, and is not computed.
    conditional = state.conditional[i]
    unconditional = torch.where(scale == 1.0, conditional, state.unconditional[i])
    output = apply_cfg(conditional, unconditional, scale, setup.method.guidance_rescale)
    solvers = [state.solvers[row.number] for row in rows]
    state.latents[i], state.prev_x0[i] = denoise_step(
        setup.schedule, steps_of(rows), state.latents[i], output, state.prev_x0[i], solvers
    )
    state.keep_outside(rows)
    # A sum is finite only if all its terms are, or overflows, which is a failure as well.
    sums = _to_lists(state.latents[i].flatten(1).abs().sum(1))
    for row, (value,) in zip(rows, sums, strict=True):
        if not math.isfinite(value):
            row.fail(f"the latents became {value} at step {row.step} of {len(setup.schedule)}")
            continue
        if on_step is not None:
            replaced = on_step(row, state.latents[row.number])
            if replaced is not None:
                state.latents[row.number] = replaced
        row.enter(row.step + 1, state.next_phase(row, row.step + 1))
        if not setup.method.warm_start:
            state.tokens.reset(row.number, state.initial_tokens[row.number])


def _to_lists(*columns: Tensor) -> list[list[float]]:
    """The numbers of each row, in a single transfer from the device, on which each transfer waits.

    They are needed after every evaluation: a transfer now and then would cost whole evaluations of
    rows of which the guide is confident already.
    """
    parts = [column.float().view(len(column), -1) for column in columns]
    return torch.cat(parts, dim=1).tolist()
