"""Captions of images by a model of transformers from a local folder, as BLIP or GIT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from muse.diffusion.quiet import quiet_loading
from muse.images import UnreadableImageError, decode
from pipeline.errors import UserError
from pipeline.models.model_safety import problems_of

AT_ONCE = 8
"""Images that are captioned together."""

MAX_TOKENS = 60
"""Of a caption; text encoders read 77."""


class Captioner:
    """A captioning model; called with images, it gives a caption for each.

    Captions are decoded greedily, so that the same images give the same ones.

    Args:
        folder: as `save_pretrained` of the model and of its processor writes it.

    Raises:
        UserError: no such folder, or no captioning model that is safe to load.
    """

    def __init__(self, folder: str):
        path = Path(folder).expanduser()
        if not (path / "config.json").is_file():
            raise UserError(
                f"--captioner {folder}: is not the folder of a model; it has no config.json. "
                "Give a folder with a captioning model and its processor"
            )
        if problems := list(problems_of(path)):
            raise UserError("\n  ".join([f"--captioner {folder}:", *problems]))
        self.folder = folder
        self._model, self._processor, self._tokenizer = self._load(path)

    def __call__(self, images: Sequence[str | bytes]) -> list[str]:
        """A caption for each image, a local path or encoded bytes.

        Raises:
            UserError: an image cannot be decoded, or the model takes no images alone.
        """
        captions: list[str] = []
        for start in range(0, len(images), AT_ONCE):
            captions += self._captions(images[start : start + AT_ONCE])
        return captions

    def _load(self, path: Path) -> tuple[Any, Any, Any]:
        """The model on the GPU, if there is one, its image processor and its tokenizer."""
        import torch
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

        try:
            with quiet_loading("transformers"):
                model = AutoModelForImageTextToText.from_pretrained(
                    path, local_files_only=True, use_safetensors=True
                )
                processor = AutoImageProcessor.from_pretrained(path, local_files_only=True)
                tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, ImportError, KeyError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"--captioner {self.folder}: no captioning model of transformers can be loaded "
                f"({why}); give one as BLIP or GIT, with its processor, by save_pretrained"
            ) from None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return model.eval().to(device), processor, tokenizer

    def _captions(self, images: Sequence[str | bytes]) -> list[str]:
        import torch

        pictures = [self._picture(image) for image in images]
        try:
            inputs = self._processor(images=pictures, return_tensors="pt")
            with torch.inference_mode():
                tokens = self._model.generate(
                    pixel_values=inputs["pixel_values"].to(self._model.device, self._model.dtype),
                    do_sample=False,
                    num_beams=1,
                    max_new_tokens=MAX_TOKENS,
                )
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"--captioner {self.folder}: cannot caption images without a question ({why}); "
                "give a captioning model, as BLIP or GIT"
            ) from None
        texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]

    def _picture(self, image: str | bytes) -> Any:
        try:
            return decode(image if isinstance(image, bytes) else Path(image).read_bytes())
        except (UnreadableImageError, OSError) as error:
            name = image if isinstance(image, str) else "an image"
            raise UserError(f"{name}: {error}; replace or remove it") from None
