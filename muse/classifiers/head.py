"""A frozen backbone with a small head of its own in safetensors: a linear layer, or a few with activations between.

This is how EmoGen's (CLIP features, one layer) and EmoEdit's (CLIP features, three) classifiers are built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from muse.classifiers.base import ImageClassifier
from muse.classifiers.folder import open_model
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import CONTRASTIVE, SETTINGS, Source
from muse.classifiers.zero_shot import projected
from muse.emotions import Taxonomy

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class HeadClassifier(ImageClassifier):
    """Logits = head(features of the backbone)."""

    @classmethod
    def of(
        cls, source: Source, taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
    ) -> HeadClassifier:
        """Load what a classifier.json of kind `head` names.

        Raises:
            ValueError: labels that do not match, or a head that does not fit the backbone.
        """
        from transformers import AutoModel

        source.check(taxonomy, label_map)
        file = source.folder / source.settings["head"]
        activation = source.settings.get("activation", "relu")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"{source.folder / SETTINGS}: activation is {activation!r}; choose {', '.join(ACTIVATIONS)}"
            )
        head = read_head(file, ACTIVATIONS[activation])
        backbone = open_model(AutoModel, source.weights)
        preprocessing = Preprocessing.from_pretrained(source.weights)
        both = nn.ModuleDict({"backbone": backbone, "head": head})
        made = cls(
            both,
            preprocessing,
            source.labels,
            taxonomy,
            label_map,
            source.temperature,
            source.multi_label,
        )
        with torch.no_grad():
            width = made.features(torch.zeros(1, 3, preprocessing.side, preprocessing.side)).shape[
                -1
            ]
        if width != head[0].in_features:
            raise ValueError(
                f"{file} wants {head[0].in_features} features; the backbone {source.weights} gives {width}"
            )
        if head[-1].out_features != len(source.labels):
            raise ValueError(
                f"{file} gives {head[-1].out_features} outputs for {len(source.labels)} labels"
            )
        return made

    def features(self, seen: Tensor) -> Tensor:
        """(b, d): the projected embedding of a CLIP or SigLIP; else the pooled output, or the mean of the tokens."""
        backbone = self.model["backbone"]
        if backbone.config.model_type in CONTRASTIVE and hasattr(backbone, "get_image_features"):
            return projected(backbone.get_image_features(pixel_values=seen))
        output = backbone(pixel_values=seen)
        pooled = getattr(output, "pooler_output", None)
        return output.last_hidden_state.mean(1) if pooled is None else pooled.flatten(1)

    def scores(self, seen: Tensor) -> Tensor:
        return self.model["head"](self.features(seen))


def read_head(file: Path, activation: type[nn.Module]) -> nn.Sequential:
    """The layers of a head: every two-dimensional `*.weight` of the file, in the natural order of names.

    Raises:
        ValueError: no such layer, or layers that do not fit each other.
    """
    from safetensors.torch import load_file

    tensors = load_file(file)
    names = [
        name for name, tensor in tensors.items() if name.endswith("weight") and tensor.ndim == 2
    ]
    names.sort(
        key=lambda name: [
            int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)
        ]
    )
    strange = {*tensors} - {*names} - {name.removesuffix("weight") + "bias" for name in names}
    if not names or strange:
        raise ValueError(
            f"{file} holds {', '.join(sorted(strange)) or 'nothing'}; a head is linear layers alone"
        )
    layers: list[nn.Module] = []
    for name in names:
        weight, bias = tensors[name].float(), tensors.get(name.removesuffix("weight") + "bias")
        if layers and layers[-1].out_features != weight.shape[1]:
            raise ValueError(
                f"{file}: {name} takes {weight.shape[1]} features, the layer before it gives others"
            )
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        layer.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias.float()}))
        layers += [activation(), layer] if layers else [layer]
    return nn.Sequential(*layers)
