"""What a CLIP or SigLIP needs beside its weights: the right type, and a tokenizer that knows words.

transformers makes a CLIP of any folder, with random weights and an empty vocabulary if need be.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from muse.classifiers.image_processors import first_sentence
from muse.diffusion.files.model_files import read_json
from muse.diffusion.files.tokenizer_files import CLIP, tokenizer_problems

SIMILARITY = ("clip",)
"""Types of models that measure similarity."""


def check_contrastive(folder: Path, types: Sequence[str]) -> None:
    """Whether a folder is a model of images and texts with a vocabulary; reads no weights.

    Args:
        types: those that its config.json may name as its model_type.

    Raises:
        ValueError: it is of another type, or its tokenizer has no vocabulary or is that of another
            model.
    """
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind not in types:
        raise ValueError(
            f"{folder} is no whole CLIP: the model_type in its config.json is {kind!r}, not "
            f"{' or '.join(types)}; give a folder with both of its encoders and its tokenizer"
        )
    settings = folder / "tokenizer_config.json"
    named = read_json(settings).get("tokenizer_class") if settings.is_file() else None
    usual = CLIP if kind == "clip" else ""
    text = config.get("text_config")
    encoder = text if isinstance(text, dict) else {}
    if problem := next(tokenizer_problems(folder, str(named or usual), encoder), None):
        raise ValueError(problem)


def open_tokenizer(kind: Any, folder: Path) -> Any:
    """The tokenizer in the folder of such a model.

    Args:
        kind: a class of transformers with `from_pretrained`.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers and tokenizers raise many classes here
        raise ValueError(
            f"the tokenizer in {folder} cannot be read ({first_sentence(error)}); copy it again "
            "from the model, with all its files"
        ) from None
