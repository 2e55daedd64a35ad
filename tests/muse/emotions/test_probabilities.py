import torch

from muse.emotions.probabilities import Probabilities


def logits():
    return torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def test_of_one_image_one_emotion():
    probs, p = Probabilities.from_softmax(logits()), logits().softmax(-1)
    assert torch.allclose(probs.p, p)
    assert torch.allclose(probs.log_not_p.exp(), 1 - p)
    assert not probs.multi_label


def test_of_each_emotion_by_itself():
    probs, p = Probabilities.from_sigmoid(logits()), logits().sigmoid()
    assert torch.allclose(probs.p, p)
    assert torch.allclose(probs.log_not_p.exp(), 1 - p)
    assert probs.multi_label


def test_both_stay_finite_where_a_classifier_is_certain():
    for make in (Probabilities.from_softmax, Probabilities.from_sigmoid):
        leaf = torch.tensor([[300.0, 0.0, -300.0]], requires_grad=True)
        probs = make(leaf)
        (gradient,) = torch.autograd.grad(probs.log_p.sum() + probs.log_not_p.sum(), leaf)
        assert torch.isfinite(probs.log_p).all()
        assert torch.isfinite(probs.log_not_p).all()
        assert torch.isfinite(gradient).all()
