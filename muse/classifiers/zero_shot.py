"""Zero-shot classifiers: a CLIP or SigLIP compares the image with prompts for each emotion.

Good enough as a first guide, weak as a judge: their accuracy on EmoSet is below 50 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.classifiers.base import ImageClassifier
from muse.classifiers.contrastive import check_contrastive, open_tokenizer
from muse.classifiers.folder import open_model
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import CONTRASTIVE, ClassifierSpec
from muse.emotions import Taxonomy

PROMPT = "a picture evoking {}"
"""The prompt of an emotion where the folder gives none."""


def projected(features) -> Tensor:
    """Projected features: a tensor or the pooled output, by release of transformers."""
    return features if isinstance(features, Tensor) else features.pooler_output


class ZeroShotClassifier(ImageClassifier):
    """exp(scale) cos(image, mean of a label's prompts), as CLIP was trained (arXiv 2103.00020)."""

    def __init__(
        self,
        model: nn.Module,
        texts: Tensor,
        preprocessing: Preprocessing,
        labels: Sequence[str],
        taxonomy: Taxonomy,
        label_map: Mapping[str, str] | None = None,
        temperature: float = 1.0,
        multi_label: bool = False,
    ):
        super().__init__(
            model, preprocessing, labels, taxonomy, label_map, temperature, multi_label
        )
        self.register_buffer("texts", texts)

    @classmethod
    def of(
        cls, spec: ClassifierSpec, taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
    ) -> ZeroShotClassifier:
        from transformers import AutoModel, AutoTokenizer

        spec.check(taxonomy, label_map)
        check_contrastive(spec.weights, CONTRASTIVE)
        labels = spec.labels or taxonomy.labels
        prompts = spec.settings.get("prompts") or {
            label: [PROMPT.format(label)] for label in labels
        }
        model = open_model(AutoModel, spec.weights)
        tokenizer = open_tokenizer(AutoTokenizer, spec.weights)
        # SigLIP was trained on texts padded to the full length and is worse on others.
        padding = "max_length" if model.config.model_type.startswith("siglip") else True
        length = model.config.text_config.max_position_embeddings
        texts = []
        with torch.no_grad():
            for label in labels:
                ids = tokenizer(
                    list(prompts[label]),
                    padding=padding,
                    truncation=True,
                    max_length=length,
                    return_tensors="pt",
                )
                texts.append(F.normalize(projected(model.get_text_features(**ids)), dim=-1).mean(0))
        preprocessing = Preprocessing.from_pretrained(spec.weights)
        means = F.normalize(torch.stack(texts), dim=-1)
        return cls(
            model,
            means,
            preprocessing,
            labels,
            taxonomy,
            label_map,
            spec.temperature,
            spec.multi_label,
        )

    def scores(self, inputs: Tensor) -> Tensor:
        images = F.normalize(projected(self.model.get_image_features(pixel_values=inputs)), dim=-1)
        return self.model.logit_scale.exp() * images @ self.texts.T
