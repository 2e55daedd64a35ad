from muse.emotions import MIKELS, Target
from pipeline.generation.verdicts import judge


def _odds(**weights):
    return [weights.get(label, 0.0) for label in MIKELS.labels]


def _judged(target, probabilities, least, multi_label=False):
    return judge(target.confidence(probabilities, multi_label), probabilities, MIKELS.labels, least)


def test_the_threshold_is_inclusive():
    assert _judged(Target.of("awe"), _odds(awe=0.5, fear=0.5), 0.5).status == "accepted"


def test_a_refusal_says_what_the_judge_saw():
    verdict = _judged(Target.of("awe"), _odds(awe=0.2, fear=0.8), 0.5)
    assert verdict.status == "rejected"
    assert verdict.reason == "judge's confidence 0.20 < 0.5; it sees fear 0.80"


def test_a_mixture_needs_both_its_members():
    target = Target.of({"awe": 0.5, "fear": 0.5})
    assert _judged(target, _odds(awe=0.95, fear=0.05), 0.6).status == "rejected"
    assert _judged(target, _odds(awe=0.6, fear=0.4), 0.6).status == "accepted"


def test_a_judge_that_sees_several_emotions_accepts_a_mixture_by_its_least_member():
    target = Target.of({"awe": 0.8, "fear": 0.2})
    assert _judged(target, _odds(awe=0.95, fear=0.4), 0.5, multi_label=True).status == "rejected"
    assert _judged(target, _odds(awe=0.95, fear=0.6), 0.5, multi_label=True).status == "accepted"
