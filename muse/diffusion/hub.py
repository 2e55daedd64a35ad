"""Model folders by path or hub id; only safetensors and plain text are ever downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TEXT = ["*.json", "*.txt", "*.model"]
PLAIN = ["*.safetensors", *TEXT]

PIPELINE = ["*/*.safetensors", *TEXT]
"""Files of a diffusion model: those in folders. Single files beside them repeat all weights."""

UNUSED = ["safety_checker/*", "*.fp16.safetensors", "*non_ema*"]
"""Files of a diffusion model that are never loaded."""

NO_TINY_VAE = "none"
"""Instead of the name of a tiny decoder: the guide is shown images decoded by the VAE itself."""

NO_PEFT = 'a LoRA needs peft, which is missing or too old: pip install "muse-batch[lora]"'


def local_folder(name: str, files: Sequence[str] = PLAIN) -> Path:
    """The folder at the path `name`, or the (downloaded) one of the hub id owner/name.

    Args:
        files: patterns of the files to download.

    Raises:
        ValueError: neither, or the hub cannot provide it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise ValueError("there is no such folder, and it is not a hub id (owner/name)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(files), ignore_patterns=UNUSED))
    except Exception as error:  # the hub raises many classes, for the same reasons
        raise ValueError(
            f"there is no such folder, and the hub cannot provide it ({type(error).__name__}); "
            "check the name, or download it and give its folder"
        ) from None


def configs_beside(file: Path) -> Path | None:
    """The folder of configurations of a single-file model, which has its name without the suffix.

    Its layout is that of diffusers: model_index.json and the folders of the parts, or a VAE's
    config.json. None if there is no such folder.
    """
    folder = file.with_suffix("")
    found = any((folder / name).is_file() for name in ("model_index.json", "config.json"))
    return folder if found else None
