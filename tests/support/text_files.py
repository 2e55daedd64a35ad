"""Small files of tokenizers and text encoders, with what is looked at and no more."""

import json

import numpy as np
from safetensors.numpy import save_file

CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def write_tokenizer(folder, words=("a", "dog", *CLIP_SPECIAL), kind="BPE", **settings):
    """A tokenizer.json of these words, numbered from 0, with its settings beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(words)}
    if kind == "Unigram":
        vocabulary = [[word, 0.0] for word in words]
    model = {"type": kind, "vocab": vocabulary, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [], "model": model}))
    settings = {"model_max_length": 8} | settings
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_encoder(folder, tensors, **config):
    """Settings and the weights of a text encoder, with a tensor of zeros for each shape."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    zeros = {name: np.zeros(shape, dtype=np.float16) for name, shape in tensors.items()}
    save_file(zeros, folder / "model.safetensors")
