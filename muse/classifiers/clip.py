"""Image-text similarity by a CLIP model: decides when guidance starts, and scores every sample."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.classifiers import Preprocessing
from muse.classifiers.zero_shot import projected
from muse.diffusion.backbones.codec import at_least_float32
from muse.diffusion.files.hub import local_folder
from muse.diffusion.quiet import quiet_loading
from muse.guidance.prompt_frame import is_plain


class ClipSimilarity(nn.Module):
    """Cosine between a prompt and an image under a `CLIPModel` folder.

    Args:
        side: of the model's input, in pixels.
        is_cropped: whether it sees the central square of an image; else all of it, squashed.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        side: int,
        mean: list[float],
        std: list[float],
        is_cropped: bool = True,
    ):
        super().__init__()
        self.model = model.float().eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.preprocessing = Preprocessing(side, mean, std, side if is_cropped else None)

    @classmethod
    def from_pretrained(cls, path: str | Path) -> ClipSimilarity:
        """Load from a folder or a hub id.

        Raises:
            ValueError: there is no such folder, and the hub cannot provide it.
        """
        from transformers import CLIPModel, CLIPTokenizer

        folder = local_folder(str(path))
        with quiet_loading("transformers"):
            model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        file = folder / "preprocessor_config.json"
        settings = json.loads(
            (file if file.exists() else folder / "processor_config.json").read_text()
        )
        settings = settings.get("image_processor", settings)
        return cls(
            model,
            tokenizer,
            model.config.vision_config.image_size,
            settings["image_mean"],
            settings["image_std"],
            settings.get("do_center_crop", True),
        )

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
