"""How an edit starts: at which denoising step, and from what its picture becomes there."""

from __future__ import annotations

from muse.diffusion.sampler import Schedule
from muse.method import Method

FROM_INVERSION, FROM_NOISE = "inversion", "noise"
"""Values of `Method.edit_start`."""


def first_edit_step(schedule: Schedule, method: Method) -> int:
    """The denoising step at which an edit starts; the schedule's length if there is nothing to do.

    From an inversion it is never the very first, at which some schedules leave no signal at all.
    From noise the share is rounded as in diffusers' image-to-image pipelines, whose models of flow
    matching round up what others round down.
    """
    steps = len(schedule)
    if method.edit_start == FROM_INVERSION:
        return schedule.begin(min(max(1, round((1 - method.strength) * steps)), steps))
    starts = [step for step in range(steps) if step not in schedule.corrections]
    done_again = len(starts) * method.strength
    if schedule.prediction == "flow_prediction":
        skipped = int(len(starts) - done_again)
    else:
        skipped = len(starts) - int(done_again)
    return starts[skipped] if skipped < len(starts) else steps
