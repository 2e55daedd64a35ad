"""What a LoRA's file holds, read without loading it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

OTHER_KINDS = {"hada_": "LoHa", "lokr_": "LoKr", ".oft_": "OFT", ".on_input": "IA3"}
"""Parts of the names of tensors that mark other kinds of adapters, and what these are called."""

READ_ALL_THE_SAME = {"ZImagePipeline": ("LoKr",)}
"""By family: other kinds of adapters that diffusers can read."""


def lora_problems(path: Path, family: str) -> Iterator[str]:
    """Why the LoRA in a file or a folder cannot be fused: one line a file, with the remedy.

    Args:
        family: the class of the model's pipeline.
    """
    from safetensors import safe_open

    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    for file in files:
        try:
            with safe_open(file, "np") as opened:
                names = list(opened.keys())
        except Exception as error:  # safetensors raises classes of its own, and Rust's
            yield f"{file} is not a readable safetensors file: {error}"
            continue
        for part, kind in OTHER_KINDS.items():
            found = next((name for name in names if part in name), None)
            if found is not None and kind not in READ_ALL_THE_SAME.get(family, ()):
                yield (
                    f"{file} is no LoRA but a {kind}, as LyCORIS makes it (it has {found}), and "
                    f"cannot be read for a {family}; merge it into the model's weights with the "
                    "tool that it came from, and give the merged model"
                )
                break
