from muse.emotions import Target
from muse.engine.row import Phase, Row
from muse.request import Request


def _row():
    return Row(0, Request("a dog", Target.of("awe"), 1), 4.0, Phase.STEP, 0)


def test_a_new_step_forgets_what_belongs_to_the_last_one():
    row = _row()
    row.evaluations, row.lowest_loss = 3, 0.1
    row.has_conditional = row.has_unconditional = row.started = row.is_confident = True
    row.enter(5, Phase.CHECK)
    assert (row.step, row.phase) == (5, Phase.CHECK)
    assert (row.evaluations, row.lowest_loss) == (0, float("inf"))
    assert not row.has_conditional
    assert not row.has_unconditional
    assert row.started, "guidance goes on from step to step"
    assert row.is_confident, "the next step begins with what the guide found last"


def test_a_failed_row_is_done():
    row = _row()
    row.fail("the latents became nan at step 3 of 20")
    assert row.phase is Phase.DONE
    assert row.failure == "the latents became nan at step 3 of 20"
