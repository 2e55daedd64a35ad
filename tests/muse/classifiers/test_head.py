"""A head on a frozen backbone."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from muse.classifiers import load_classifier
from muse.classifiers.head import read_head


def test_a_head_that_does_not_fit_its_backbone_or_labels_is_refused(headed):
    save_file({"weight": torch.zeros(8, 5)}, headed / "head.safetensors")
    with pytest.raises(ValueError, match=r"takes 5 features; the backbone .* gives 128"):
        load_classifier(headed)
    save_file({"weight": torch.zeros(7, 128)}, headed / "head.safetensors")
    with pytest.raises(ValueError, match=r"has 7 outputs for 8 labels"):
        load_classifier(headed)


def test_layers_are_in_the_natural_order_of_their_names(tmp_path):
    """Layer 10 comes after layer 9."""
    file = tmp_path / "head.safetensors"
    save_file({"10.weight": torch.ones(2, 3), "9.weight": torch.ones(3, 4)}, file)
    head = read_head(file, nn.ReLU)
    assert [layer.in_features for layer in head if isinstance(layer, nn.Linear)] == [4, 3]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "holds nothing"),
        ({"a.weight": torch.zeros(2, 3), "norm": torch.zeros(3)}, "holds norm"),
        (
            {"0.weight": torch.zeros(3, 4), "1.weight": torch.zeros(2, 5)},
            "1.weight takes 5 features, the layer before it gives 3",
        ),
    ],
)
def test_what_is_not_a_stack_of_linear_layers_is_refused(tmp_path, tensors, message):
    save_file(tensors, tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match=message):
        read_head(tmp_path / "head.safetensors", nn.ReLU)
