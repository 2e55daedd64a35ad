"""Image-text similarity by a CLIP model: decides when guidance starts, and scores every sample."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import read_json
from muse.classifiers.zero_shot import projected
from muse.diffusion.backbones.codec import at_least_float32
from muse.diffusion.files.hub import local_folder
from muse.diffusion.quiet import quiet_loading
from muse.guidance.prompt_frame import is_plain


class ClipSimilarity(nn.Module):
    """Cosine between a prompt and an image under a `CLIPModel` folder."""

    def __init__(self, model: nn.Module, tokenizer, preprocessing: Preprocessing):
        super().__init__()
        self.model = model.float().eval().requires_grad_(False)
        self.tokenizer, self.preprocessing = tokenizer, preprocessing

    @classmethod
    def from_pretrained(cls, path: str | Path) -> ClipSimilarity:
        """Load from a folder or a hub id.

        Raises:
            ValueError: there is no such folder, the hub cannot provide it, or its preprocessing is
                not supported.
        """
        from transformers import CLIPModel, CLIPTokenizer

        folder = local_folder(str(path))
        preprocessing = similarity_preprocessing(folder)
        with quiet_loading("transformers"):
            model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(model, tokenizer, preprocessing)

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


def similarity_preprocessing(folder: Path) -> Preprocessing:
    """What a CLIP folder does to an image before it looks at it.

    Raises:
        ValueError: not supported, or of another size than the model takes.
    """
    preprocessing = Preprocessing.from_pretrained(folder)
    side = read_json(folder / "config.json").get("vision_config", {}).get("image_size")
    if side not in (None, preprocessing.side):
        raise ValueError(
            f"{folder} makes images of {preprocessing.side} pixels (preprocessor_config.json), and "
            f"its model takes {side} (image_size in config.json); take both files from one model"
        )
    return preprocessing


def similarity(images: Tensor, texts: Tensor) -> Tensor:
    """Cosines (b,) of unit vectors, row by row (CLIP, Radford et al., arXiv 2103.00020)."""
    return (images * texts).sum(-1)
