"""Which arms are made of what is asked for, and how many cases are ahead."""

from jobs.evaluation.arms.registry import WHOLE
from jobs.evaluation.plan import Plan, asked_for, chosen_arm, left_out
from jobs.evaluation.progress import Work
from muse.method import Method

OFF = Method(content_weight=0.0)
"""Without the content term, unless a setting has one."""


def test_an_ablation_has_the_setting_of_the_whole_which_is_tuned_once():
    for names in (["muse-no-when", "muse-no-which"], [WHOLE, "muse-no-which"]):
        found = asked_for(names)
        assert set(found) == {WHOLE}
        arm = chosen_arm("muse-no-which", found, {WHOLE: "content 10"})
        assert arm.changes["content_weight"] == 10.0
    assert set(asked_for(["words"])) == {"words"}


def test_an_ablation_that_would_be_the_whole_under_another_name_is_left_out():
    names = ["words", WHOLE, "muse-no-content", "muse-no-when"]
    assert left_out(names, OFF, {WHOLE: "as given"}) == ["muse-no-content"]
    assert left_out(names, OFF, {WHOLE: "content 10"}) == []
    assert left_out(["words"], Method(), {}) == []


def test_every_setting_that_is_tuned_reported_or_compared_is_ahead():
    draws = Plan("generation", ["best-of-n"], tuned=3, reported=20, compared=5, mixed=0)
    ahead = draws.ahead(Method())
    assert ahead[Work("best-of-n 32", "generation", 32)] == 5
    assert ahead[Work("best-of-n 8", "generation", 8)] == 20, "the number of draws is not tuned"
    plan = Plan("generation", ["words", "plain"], tuned=3, reported=20, compared=5, mixed=0)
    ahead = plan.ahead(Method(), {"words": "x2", "plain": "only"})
    assert ahead.pop(Work("plain only", "generation")) == 20, "nothing is to choose"
    assert ahead.pop(Work("words x2", "generation")) == 3 + 20
    assert {work.arm for work in ahead} == {"words x1", "words x1.5", "words x3"}
    assert {*ahead.values()} == {3 + 5}


def test_an_ablation_that_is_left_out_is_not_ahead_and_runs_for_either_emotion_are():
    plan = Plan("mixtures", [WHOLE, "muse-no-content"], 0, reported=20, compared=0, mixed=8)
    assert {work: cases for work, cases in plan.ahead(OFF).items() if cases} == {
        Work("muse-from-words as given", "mixtures"): 20,
        Work("muse-from-words as given", "generation"): 16,
    }
    ahead = plan.ahead(OFF, {WHOLE: "content 10"})
    assert ahead[Work("muse-no-content content 10", "mixtures")] == 20
