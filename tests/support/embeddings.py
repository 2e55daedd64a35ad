"""Files of textual inversions with random vectors."""

import torch
from safetensors.torch import save_file

CONTENTS = {
    "sd1": lambda count: {"<cat>": (count, 32)},
    "sd2": lambda count: {"emb_params": (count, 32)},
    "sdxl": lambda count: {"clip_l": (count, 32), "clip_g": (count, 48)},
    "flux": lambda count: {"clip_l": (count, 32), "t5": (count, 64)},
}
"""By the name of a family in `tests.support.families`: the shapes of such a file's tensors by their
names, for a number of vectors."""


def save_embedding(file, shapes, seed=0, scale=1.0):
    """A file of tensors of these shapes by their names; returns its path."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    save_file({name: tensor * scale for name, tensor in tensors.items()}, file)
    return file
