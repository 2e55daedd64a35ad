import torch

from muse.odds import Odds


def logits():
    return torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def test_of_one_image_one_emotion():
    odds, p = Odds.of_one(logits()), logits().softmax(-1)
    assert torch.allclose(odds.p, p)
    assert torch.allclose(odds.log_rest.exp(), 1 - p)
    assert not odds.several


def test_of_each_emotion_by_itself():
    odds, p = Odds.of_each(logits()), logits().sigmoid()
    assert torch.allclose(odds.p, p)
    assert torch.allclose(odds.log_rest.exp(), 1 - p)
    assert odds.several


def test_both_stay_finite_where_a_classifier_is_certain():
    for make in (Odds.of_one, Odds.of_each):
        leaf = torch.tensor([[300.0, 0.0, -300.0]], requires_grad=True)
        odds = make(leaf)
        (gradient,) = torch.autograd.grad(odds.log_p.sum() + odds.log_rest.sum(), leaf)
        assert torch.isfinite(odds.log_p).all()
        assert torch.isfinite(odds.log_rest).all()
        assert torch.isfinite(gradient).all()
