"""A classifier of every kind, loaded from its folder."""

import torch

from muse.classifiers import load_classifier
from muse.emotions.taxonomies import load_taxonomy
from muse.mini import WEIGHTS


def check_protocol(classifier, pixels):
    """Differentiable, batched, float32, frozen; a row does not depend on the others."""
    leaf = pixels.clone().requires_grad_(True)
    log_p = classifier.probs(leaf).log_p
    assert log_p.shape == (3, len(classifier.taxonomy))
    assert log_p.dtype == torch.float32
    (gradient,) = torch.autograd.grad(log_p[:, 0].sum(), leaf)
    assert (gradient.abs().amax((1, 2, 3)) > 0).all()
    assert torch.allclose(classifier.probs(pixels[1:2]).log_p[0], log_p[1], atol=1e-4)
    assert not any(weight.requires_grad for weight in classifier.parameters())


def test_every_kind_keeps_the_protocol(write_spec, siglip, headed, tmp_path, pixels):
    both = write_spec(
        tmp_path / "both", kind="ensemble", members=[str(WEIGHTS / "guide"), "../headed"]
    )
    for folder in (WEIGHTS / "guide", WEIGHTS / "clip", siglip, headed, both):
        check_protocol(load_classifier(folder), pixels)
    check_protocol(load_classifier(siglip, load_taxonomy("emotion6")), pixels)
