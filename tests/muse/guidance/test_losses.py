import pytest
import torch

from muse.emotions import MIKELS, Target
from muse.emotions.probabilities import Probabilities
from muse.guidance.losses import (
    confident_rows,
    inherent_mask,
    is_confident,
    multi_emotion_loss,
    similar_mask,
)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_loss_is_its_formula(multi_label):
    torch.manual_seed(0)
    logits = torch.randn(3, 8, dtype=torch.float64)
    target = torch.tensor([Target.of({"awe": 0.6, "fear": 0.4}).weights] * 3, dtype=torch.float64)
    inherent = torch.nn.functional.one_hot(torch.tensor([4, 5, 7]), 8).double()
    similar = torch.tensor([similar_mask(Target.of("awe"))] * 3, dtype=torch.float64)
    p = logits.sigmoid() if multi_label else logits.softmax(-1)
    away = 0.5 * (inherent * (1 - p).log()).sum(-1) + 0.25 * (similar * (1 - p).log()).sum(-1)
    reached = (p**target).prod(-1) if multi_label else 1.0
    probs = (
        Probabilities.from_sigmoid(logits) if multi_label else Probabilities.from_softmax(logits)
    )
    expected = -(target * p.log()).sum(-1) - reached * away
    assert torch.allclose(
        multi_emotion_loss(probs, target, inherent, similar, 0.5, 0.25, 1.0), expected
    )


def test_the_balance_weighs_how_a_mixture_divides_and_nothing_of_one_emotion():
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    none, p = torch.zeros(3, 8, dtype=torch.float64), logits.softmax(-1)
    awe, fear = p[:, MIKELS.index("awe")], p[:, MIKELS.index("fear")]

    def loss(target, balance):
        return multi_emotion_loss(
            Probabilities.from_softmax(logits),
            torch.tensor([target.weights] * 3).double(),
            none,
            none,
            0,
            0,
            balance,
        )

    both = Target.of({"awe": 0.6, "fear": 0.4})
    divided = 0.6 * (awe / (awe + fear)).log() + 0.4 * (fear / (awe + fear)).log()
    assert torch.allclose(loss(both, 0.2), -(awe + fear).log() - 0.2 * divided)
    assert torch.equal(loss(Target.of("awe"), 0.0), loss(Target.of("awe"), 1.0))


def test_each_part_pushes_its_own_way():
    target = torch.tensor([Target.of("awe").weights])
    zero = torch.zeros(1, 8)
    rival = torch.nn.functional.one_hot(torch.tensor([MIKELS.index("sadness")]), 8).float()
    logits = torch.zeros(1, 8, requires_grad=True)
    plain = torch.autograd.grad(
        multi_emotion_loss(Probabilities.from_softmax(logits), target, zero, zero, 1, 1, 1).sum(),
        logits,
    )[0]
    pushed = torch.autograd.grad(
        multi_emotion_loss(Probabilities.from_softmax(logits), target, rival, zero, 1, 1, 1).sum(),
        logits,
    )[0]
    assert plain[0, MIKELS.index("awe")] < 0
    assert pushed[0, MIKELS.index("sadness")] > plain[0, MIKELS.index("sadness")]


def test_against_a_certain_rival_cross_entropy_pushes_as_which_does():
    """Why WHICH decides little: both push a certain inherent emotion down.

    Cross-entropy: dL/dz = P - y. WHICH: P_r (e_r - P) / (1 - P_r), with e_r the rival's unit
    vector. It tends to e_r - q, with q the distribution among the others. Its cosine with e_r - y
    is (1 + q_y) / sqrt(2 (1 + |q|^2)), at least 1/2.
    """
    logits = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits[:, MIKELS.index("sadness")] = 12.0
    logits.requires_grad_(True)
    target = torch.tensor([Target.of("awe").weights] * 20, dtype=torch.float64)
    rival = torch.tensor([Target.of("sadness").weights] * 20, dtype=torch.float64)

    def gradient(weight):
        loss = multi_emotion_loss(
            Probabilities.from_softmax(logits), target, rival, torch.zeros_like(rival), weight, 0, 1
        )
        return torch.autograd.grad(loss.sum(), logits)[0]

    alone, both = gradient(0.0), gradient(0.5)
    assert (torch.cosine_similarity(alone, both - alone) > 0.5).all()
    assert (torch.cosine_similarity(alone, both) > 0.9).all()


def test_under_a_multi_label_guide_cross_entropy_leaves_the_rival_alone_and_which_does_not():
    """And WHICH pushes it as far as the target is there, which itself it lets be."""
    logits = torch.randn(
        20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).requires_grad_(True)
    awe, sadness = MIKELS.index("awe"), MIKELS.index("sadness")
    target = torch.tensor([Target.of("awe").weights] * 20, dtype=torch.float64)
    rival = torch.tensor([Target.of("sadness").weights] * 20, dtype=torch.float64)

    def gradient(weight):
        loss = multi_emotion_loss(
            Probabilities.from_sigmoid(logits), target, rival, torch.zeros_like(rival), weight, 0, 1
        )
        return torch.autograd.grad(loss.sum(), logits)[0]

    alone, both, p = gradient(0.0), gradient(0.5), logits.detach().sigmoid()
    assert not alone[:, sadness].any()
    assert torch.allclose(both[:, sadness], 0.5 * p[:, awe] * p[:, sadness])
    assert torch.equal(both[:, awe], alone[:, awe])


def test_a_guide_is_confident_once_the_inherent_emotion_is_gone():
    awe, sadness = MIKELS.index("awe"), MIKELS.index("sadness")
    both = [0.9 if i in (awe, sadness) else 0.1 for i in range(8)]
    assert not is_confident(Target.of("awe"), both, True, sadness, 0.5, 0.7)
    assert is_confident(Target.of("awe"), both, True, sadness, 0.0, 0.7)
    assert is_confident(Target.of("awe"), both, True, MIKELS.index("fear"), 0.5, 0.7)
    assert not is_confident(Target.of("fear"), both, True, MIKELS.index("anger"), 0.5, 0.7)


def test_rows_are_confident_each_by_its_own_target_and_inherent_emotion():
    awe, sadness, fear = (MIKELS.index(name) for name in ("awe", "sadness", "fear"))
    both = [0.9 if i in (awe, sadness) else 0.1 for i in range(8)]
    probs = Probabilities.from_sigmoid(torch.tensor([both] * 3).logit())
    targets = [Target.of("awe"), Target.of("awe"), Target.of("fear")]
    inherent = torch.nn.functional.one_hot(torch.tensor([sadness, fear, awe]), 8).float()
    found = confident_rows(targets, probs, inherent, 0.5, 0.7)
    assert found.dtype == torch.bool
    assert found.tolist() == [False, True, False]
    assert confident_rows(targets, probs, inherent, 0.0, 0.7).tolist() == [True, True, False]


def test_of_a_mixture_a_guide_that_sees_several_wants_every_member():
    """The weights are no measure of it, and how a whole divides (`balance`) is nothing to it."""
    mixture, none = Target.of({"awe": 0.5, "fear": 0.5}), MIKELS.index("anger")
    p = [0.9 if label == "awe" else 0.6 if label == "fear" else 0.1 for label in MIKELS.labels]
    assert not is_confident(mixture, p, True, none, 0.5, 0.7)
    assert is_confident(mixture, p, True, none, 0.5, 0.6)
    probs, target = (
        Probabilities.from_sigmoid(torch.tensor([p]).logit()),
        torch.tensor([mixture.weights]),
    )
    zeros = torch.zeros_like(target)
    expected = -0.5 * torch.tensor([0.9 * 0.6]).log()
    for balance in (0.2, 1.0):
        assert torch.allclose(
            multi_emotion_loss(probs, target, zeros, zeros, 0, 0, balance), expected
        )


def test_under_probabilities_that_sum_to_one_the_target_alone_decides():
    """20,000 draws, many of one emotion nearly alone: the limit of the rival never decides."""
    torch.manual_seed(0)
    p = (
        torch.distributions.Dirichlet(torch.full((8,), 0.15, dtype=torch.float64))
        .sample((20_000,))
        .tolist()
    )
    awe, target = MIKELS.index("awe"), Target.of("awe")
    rivals = [max((i for i in range(8) if i != awe), key=row.__getitem__) for row in p]
    with_which = [
        is_confident(target, row, False, rival, 0.5, 0.7)
        for row, rival in zip(p, rivals, strict=True)
    ]
    assert with_which == [row[awe] >= 0.7 for row in p]
    assert any(with_which)


def test_the_loss_stays_finite_where_a_classifier_is_certain():
    logits = torch.tensor([[60.0, 0, 0, 0, 0, 0, 0, -60]] * 2, requires_grad=True)
    target = torch.nn.functional.one_hot(torch.tensor([7, 7]), 8).float()
    target[1, 6:] = 0.5
    rival = torch.nn.functional.one_hot(torch.tensor([0, 0]), 8).float()
    loss = multi_emotion_loss(
        Probabilities.from_softmax(logits), target, rival, torch.zeros(2, 8), 1, 1, 0.2
    )
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("emotion", MIKELS.labels)
def test_similar_emotions_are_never_the_target_nor_of_the_other_polarity(emotion):
    target = Target.of(emotion)
    for label, weight in zip(MIKELS.labels, similar_mask(target), strict=True):
        if weight:
            assert label != emotion
            assert MIKELS.polarity[MIKELS.index(label)] == MIKELS.polarity[MIKELS.index(emotion)]


def test_the_inherent_emotion_is_the_strongest_that_is_not_wanted():
    probabilities = torch.tensor([[0.5, 0.3, 0.2, 0, 0, 0, 0, 0], [0.5, 0.3, 0.2, 0, 0, 0, 0, 0]])
    target = torch.zeros(2, 8)
    target[0, 0] = 1
    target[1, 4] = 1
    assert inherent_mask(probabilities, target).argmax(-1).tolist() == [1, 0]
