"""A folder of weights, from a path or a hub id. Only safetensors and plain text are ever fetched."""

from __future__ import annotations

from pathlib import Path

PLAIN = ["*.safetensors", "*.json", "*.txt", "*.model"]


def local_folder(name: str) -> Path:
    """The folder at the path `name`, or the one that the hub id `name` (owner/name) is cached or fetched in.

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
        return Path(snapshot_download(name, allow_patterns=PLAIN))
    except Exception as error:  # hub errors come in many classes, all mean the same to the user
        raise ValueError(
            f"there is no such folder here, and the hub gave: {type(error).__name__}; "
            "check the name, or download it and give the folder"
        ) from None
