"""Image-text similarity by a CLIP model: decides when guidance starts, and scores every sample."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.classifiers.contrastive import SIMILARITY, check_contrastive, open_tokenizer
from muse.classifiers.folder import open_model
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.zero_shot import projected
from muse.diffusion.backbones.codec import at_least_float32
from muse.diffusion.files.hub import local_folder
from muse.guidance.content_levels import UNKNOWN, ContentLevels
from muse.guidance.prompt_frame import is_plain


class ClipSimilarity(nn.Module):
    """Cosine between a prompt and an image under a `CLIPModel` folder."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        preprocessing: Preprocessing,
        levels: ContentLevels = UNKNOWN,
    ):
        super().__init__()
        self.model = model.float().eval().requires_grad_(False)
        self.tokenizer, self.preprocessing, self.levels = tokenizer, preprocessing, levels

    @classmethod
    def from_pretrained(cls, path: str | Path) -> ClipSimilarity:
        """Load from a folder or a hub id.

        Raises:
            ValueError: there is no such folder, the hub cannot provide it, it is no whole CLIP, or
                its preprocessing or its `similarity.json` is not supported.
        """
        from transformers import CLIPModel, CLIPTokenizer

        folder = local_folder(str(path))
        check_contrastive(folder, SIMILARITY)
        preprocessing, levels = Preprocessing.from_pretrained(folder), ContentLevels.read(folder)
        model = open_model(CLIPModel, folder)
        return cls(model, open_tokenizer(CLIPTokenizer, folder), preprocessing, levels)

    @torch.no_grad()
    def text(self, prompts: list[str]) -> Tensor:
        """Unit vectors (b, d) of prompts."""
        rows = []
        for prompt in prompts:
            plain = is_plain(self.tokenizer, prompt)
            read = self.tokenizer(prompt, truncation=True, split_special_tokens=plain)
            rows.append(read.input_ids)
        ids = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        ids = ids.to(self.preprocessing.mean.device)
        return F.normalize(projected(self.model.get_text_features(**ids)), dim=-1)

    def image(self, pixels: Tensor) -> Tensor:
        """Unit vectors (b, d) of pixels (b, 3, h, w) in [0, 1], with the gradient of the pixels."""
        inputs = self.preprocessing(at_least_float32(pixels).clamp(0, 1))
        return F.normalize(projected(self.model.get_image_features(pixel_values=inputs)), dim=-1)


def similarity(images: Tensor, texts: Tensor) -> Tensor:
    """Cosines (b,) of unit vectors, row by row (CLIP, Radford et al., arXiv 2103.00020)."""
    return (images * texts).sum(-1)
