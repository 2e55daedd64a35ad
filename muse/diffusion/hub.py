"""Where weights lie: a folder by its path or its hub id. Only safetensors and plain text are ever fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TEXT = ["*.json", "*.txt", "*.model"]
PLAIN = ["*.safetensors", *TEXT]

PIPELINE = ["*/*.safetensors", *TEXT]
"""Of a diffusion model: its parts lie in folders of their own. Single files beside them repeat all weights."""

NEEDLESS = ["safety_checker/*", "*.fp16.safetensors", "*non_ema*"]
"""Parts of a diffusion model that are never loaded."""

FULL = "full"
"""In place of a tiny decoder's name: what the guide reads on the way is decoded by the VAE itself."""

NO_PEFT = 'diffusers loads a LoRA with peft, which is missing here or too old: pip install "muse-batch[lora]"'


def local_folder(name: str, files: Sequence[str] = PLAIN) -> Path:
    """The folder at the path `name`, or the one that the hub id `name` (owner/name) is cached or fetched in.

    Args:
        files: patterns of what is fetched from the hub.

    Raises:
        ValueError: neither, or the hub does not give it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise ValueError("there is no such folder, and it is not a hub id (owner/name)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(files), ignore_patterns=NEEDLESS))
    except Exception as error:  # hub errors come in many classes, all mean the same to the user
        raise ValueError(
            f"there is no such folder here, and the hub gave: {type(error).__name__}; "
            "check the name, or download it and give the folder"
        ) from None


def configs_beside(file: Path) -> Path | None:
    """The folder that describes a single-file model: of its name, without the ending. None if there is none.

    It has the layout of diffusers: model_index.json and the folders of the parts, or a VAE's config.json.
    """
    folder = file.with_suffix("")
    return (
        folder
        if any((folder / name).is_file() for name in ("model_index.json", "config.json"))
        else None
    )
