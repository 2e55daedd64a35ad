"""A frozen backbone with a small head in safetensors: linear layers with activations between them.

The classifiers of EmoGen (CLIP features, one layer) and EmoEdit (CLIP features, three) are built
so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from muse.classifiers.base import ImageClassifier
from muse.classifiers.folder import open_model
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import CONTRASTIVE, ClassifierSpec
from muse.classifiers.spec_values import ACTIVATIONS
from muse.classifiers.zero_shot import projected
from muse.emotions import Taxonomy

CLASSES = dict(zip(ACTIVATIONS, (nn.ReLU, nn.GELU, nn.Tanh), strict=True))


class HeadClassifier(ImageClassifier):
    """Logits = head(features of the backbone)."""

    @classmethod
    def of(
        cls, spec: ClassifierSpec, taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
    ) -> HeadClassifier:
        """Load what a classifier.json of kind `head` names.

        Raises:
            ValueError: labels that do not match, or a head that does not fit the backbone.
        """
        from transformers import AutoModel

        spec.check(taxonomy, label_map)
        file = spec.folder / spec.settings["head"]
        activation = spec.settings.get("activation", "relu")
        head = read_head(file, CLASSES[activation])
        backbone = open_model(AutoModel, spec.weights)
        preprocessing = Preprocessing.from_pretrained(spec.weights)
        both = nn.ModuleDict({"backbone": backbone, "head": head})
        classifier = cls(
            both,
            preprocessing,
            spec.labels,
            taxonomy,
            label_map,
            spec.temperature,
            spec.multi_label,
        )
        black = torch.zeros(1, 3, preprocessing.side, preprocessing.side)
        with torch.no_grad():
            width = classifier.features(black).shape[-1]
        if width != head[0].in_features:
            raise ValueError(
                f"{file} takes {head[0].in_features} features; "
                f"the backbone {spec.weights} gives {width}"
            )
        if head[-1].out_features != len(spec.labels):
            raise ValueError(
                f"{file} has {head[-1].out_features} outputs for {len(spec.labels)} labels"
            )
        return classifier

    def features(self, inputs: Tensor) -> Tensor:
        """Features (b, d) of preprocessed pixels: the projected embedding of a CLIP or SigLIP.

        Of other backbones the pooled output, or the mean of the tokens where there is none.
        """
        backbone = self.model["backbone"]
        if backbone.config.model_type in CONTRASTIVE and hasattr(backbone, "get_image_features"):
            return projected(backbone.get_image_features(pixel_values=inputs))
        output = backbone(pixel_values=inputs)
        pooled = getattr(output, "pooler_output", None)
        return output.last_hidden_state.mean(1) if pooled is None else pooled.flatten(1)

    def scores(self, inputs: Tensor) -> Tensor:
        return self.model["head"](self.features(inputs))


def _natural(name: str) -> list[int | str]:
    """A sort key by which layer 10 comes after layer 9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def read_head(file: Path, activation: type[nn.Module]) -> nn.Sequential:
    """The layers of a head: every 2-d `*.weight` of the file, in natural order of the names.

    Raises:
        ValueError: no such layer, or layers that do not fit each other.
    """
    from safetensors.torch import load_file

    tensors = load_file(file)
    names = [
        name for name, tensor in tensors.items() if name.endswith("weight") and tensor.ndim == 2
    ]
    names.sort(key=_natural)
    others = {*tensors} - {*names} - {name.removesuffix("weight") + "bias" for name in names}
    if not names or others:
        raise ValueError(
            f"{file} holds {', '.join(sorted(others)) or 'nothing'}; a head has only linear layers"
        )
    layers: list[nn.Module] = []
    for name in names:
        weight, bias = tensors[name].float(), tensors.get(name.removesuffix("weight") + "bias")
        if layers and layers[-1].out_features != weight.shape[1]:
            raise ValueError(
                f"{file}: {name} takes {weight.shape[1]} features, "
                f"the layer before it gives {layers[-1].out_features}"
            )
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        layer.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias.float()}))
        layers += [activation(), layer] if layers else [layer]
    return nn.Sequential(*layers)
