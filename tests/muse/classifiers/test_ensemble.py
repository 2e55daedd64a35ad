"""Ensembles: the geometric mean of their members."""

import torch

from muse.classifiers import load_classifier
from muse.mini import WEIGHTS


def test_an_ensemble_is_the_geometric_mean_of_its_members(write_spec, tmp_path, pixels):
    members = [WEIGHTS / "guide", WEIGHTS / "examiner"]
    both = load_classifier(
        write_spec(tmp_path / "both", kind="ensemble", members=list(map(str, members)))
    )
    product = torch.ones(3, 8)
    for member in members:
        product *= load_classifier(member).probs(pixels).p.sqrt()
    assert torch.allclose(both.probs(pixels).p, product / product.sum(-1, keepdim=True), atol=1e-5)


def test_an_ensemble_with_a_multi_label_member_is_multi_label_by_their_mean_log_odds(
    write_spec, multi_label_copy, tmp_path, pixels
):
    members = [WEIGHTS / "examiner", multi_label_copy(tmp_path / "multi_label")]
    both = load_classifier(
        write_spec(tmp_path / "both", kind="ensemble", members=list(map(str, members)))
    )
    p, q = (load_classifier(member).probs(pixels).p.double() for member in members)
    assert torch.allclose(
        both.probs(pixels).p.double(), ((p.logit() + q.logit()) / 2).sigmoid(), atol=1e-4
    )
