"""Where tokens start: fitted ones by emotion, and words where there are none."""

import torch

from muse.emotions import Target
from muse.guidance.fitted_tokens import FittedTokens, keeps_fitted
from muse.method import Method

AWE, FEAR = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 3.0], [0.0, 5.0]])
FITTED = FittedTokens({"awe": AWE, "fear": FEAR})
WORDS = torch.full((1, 4, 2), -1.0)


def test_the_mean_is_that_of_each_emotion():
    found = [("awe", AWE), ("fear", FEAR), ("awe", AWE + 2)]
    mean = FittedTokens.mean_of(found)
    assert torch.equal(mean.vectors["awe"], AWE + 1)
    assert torch.equal(mean.vectors["fear"], FEAR)


def test_tokens_repeat_where_a_prompt_has_more_places():
    start = FITTED.start([Target.of("awe")], WORDS)
    assert torch.equal(start[0], torch.cat([AWE, AWE]))
    assert torch.equal(WORDS, torch.full((1, 4, 2), -1.0)), "words are left as they were"


def test_each_member_of_a_mixture_has_its_own():
    start = FITTED.start([Target.of({"awe": 0.5, "fear": 0.5})], WORDS)
    assert torch.equal(start[0], torch.cat([AWE, FEAR]))


def test_members_that_share_a_token_share_it_by_weight():
    start = FITTED.start([Target.of({"awe": 0.75, "fear": 0.25})], WORDS[:, :1])
    assert torch.allclose(start[0], 0.75 * AWE[:1] + 0.25 * FEAR[:1])


def test_an_emotion_without_any_starts_from_its_word():
    start = FITTED.start([Target.of("anger"), Target.of("awe")], WORDS.expand(2, 4, 2))
    assert torch.equal(start[0], WORDS[0])
    assert torch.equal(start[1], torch.cat([AWE, AWE]))
    mixed = FITTED.start([Target.of({"awe": 0.5, "anger": 0.5})], WORDS)
    assert torch.equal(mixed[0], torch.cat([AWE, WORDS[0, :2]]))


def test_what_sufficed_alone_is_kept_as_it_was_fitted():
    method, shares = Method(tokens=2), {"awe": 0.9, "fear": 0.89, "anger": 1.0}
    fitted = FittedTokens(FITTED.vectors, shares)
    assert keeps_fitted(fitted, method, Target.of("awe"))
    assert not keeps_fitted(fitted, method, Target.of("fear")), "it sufficed too seldom"
    assert not keeps_fitted(fitted, method, Target.of("anger")), "none were fitted"
    assert not keeps_fitted(fitted, method, Target.of({"awe": 0.9, "fear": 0.1})), "a mixture"
    for change in ({"updates": "always"}, {"initial_scale": 0.5}, {"tokens": 3}):
        assert not keeps_fitted(fitted, method.replace(**change), Target.of("awe"))
    assert not keeps_fitted(None, method, Target.of("awe"))
