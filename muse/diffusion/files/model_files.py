"""What is in the folder of a diffusion model, read without loading it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIES = {
    "StableDiffusionPipeline": "unet",
    "StableDiffusionXLPipeline": "unet",
    "StableDiffusion3Pipeline": "transformer",
    "FluxPipeline": "transformer",
    "ZImagePipeline": "transformer",
}
"""The pipeline classes that can be loaded, with the part that is their network."""

NEVER_LOADED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that a pipeline may name and that no image made here depends on."""

TEXT_KINDS = ("text_encoder", "tokenizer")
"""Parts that a pipeline may have up to three of, the others with a number behind their names."""

TINY_VAE = "tiny_vae"
"""A folder that diffusers does not know: the tiny decoder that a model brings."""

READ_WINDOWS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
"""Families that can read longer prompts in windows (see `muse.guidance.windows`)."""

WITHOUT_WEIGHTS = ("Tokenizer", "TokenizerFast", "Scheduler")
"""Ends of the names of classes that have no weights."""

SCHEDULER_CONFIG = "scheduler_config.json"
"""The file of a scheduler's settings; all other parts have a config.json."""

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""By library: how the names of its files of weights begin."""

WEIGHTS = {
    library: re.compile(
        rf"{stem}(\.(?P<whole>\w+))?\.safetensors|{stem}\.safetensors\.index(\.(?P<index>\w+))?\.json"
    )
    for library, stem in STEMS.items()
}
"""By library: names of the weights that it reads, or of the index of its shards, with a variant."""

SHARDS = {
    library: re.compile(rf"{stem}(\.(?P<before>\w+))?-\d+-of-\d+(\.(?P<after>\w+))?\.safetensors")
    for library, stem in STEMS.items()
}
"""By library: names of shards, with a variant before or after their number."""

VARIANTS = ("fp32", "bf16", "fp16")
"""Variants of weights, the most exact first. They serve where a part has no weights without one."""


@dataclass(frozen=True)
class ModelFolder:
    """A diffusion model in the layout of diffusers.

    Attributes:
        path: the folder.
        family: the class of its pipeline.
        parts: library and class of each part that is loaded, by the name of its folder.
        left_out: parts that model_index.json names and leaves out.
    """

    path: Path
    family: str
    parts: Mapping[str, tuple[str, str]]
    left_out: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read model_index.json in the folder `path`.

        Raises:
            ValueError: there is none, or it is damaged.
        """
        index = read_json(path / "model_index.json")
        family = str(index.get("_class_name") or "")
        parts, left_out = {}, []
        for name, value in index.items():
            if not isinstance(value, list) or len(value) != 2 or not is_loaded(family, name):
                continue
            if all(isinstance(text, str) for text in value):
                parts[name] = (value[0], value[1])
            else:
                left_out.append(name)
        if (path / TINY_VAE).is_dir():
            parts[TINY_VAE] = ("diffusers", "AutoencoderTiny")
        return cls(path, family, parts, tuple(left_out))

    def has_weights(self, part: str) -> bool:
        """Whether the class of a part has weights, as a tokenizer has not."""
        return not self.parts[part][1].endswith(WITHOUT_WEIGHTS)

    def opened_parts(self) -> list[str]:
        """Parts whose weights are opened one by one when the model is loaded."""
        with_weights = filter(self.has_weights, self.parts)
        return [
            part for part in with_weights if self.parts[part][0] in WEIGHTS and part != TINY_VAE
        ]

    def variant(self, part: str) -> str | None:
        """The variant of a part's weights; see `variant_of`."""
        return variant_of(self.path / part, self.parts[part][0])

    def is_unread(self, part: str, name: str) -> bool:
        """Whether a file in a part's folder is of a variant of its weights that is not loaded."""
        library = self.parts[part][0]
        marks = _variants_of_file(name, library)
        try:
            return bool(marks) and self.variant(part) not in marks
        except ValueError:
            return False

    def config(self, part: str) -> Mapping[str, Any]:
        """The settings of a part; empty if it has none that can be read.

        A scheduler is of the class that model_index.json names, whatever its own settings say, as
        in diffusers.
        """
        settings = self.own_config(part)
        if part == "scheduler" and settings and part in self.parts:
            return {**settings, "_class_name": self.parts[part][1]}
        return settings

    def own_config(self, part: str) -> Mapping[str, Any]:
        """The settings of a part as its file has them; empty if it has none that can be read."""
        name = SCHEDULER_CONFIG if part == "scheduler" else "config.json"
        try:
            return read_json(self.path / part / name)
        except ValueError:
            return {}


def is_loaded(family: str, name: str) -> bool:
    """Whether what model_index.json calls `name` is a part that is loaded.

    Of a pipeline that is not known, everything may be that is not known to be left out.

    Args:
        family: the class of its pipeline.
    """
    if family not in FAMILIES:
        return name not in NEVER_LOADED
    kind = name.removesuffix("_2").removesuffix("_3")
    return kind in TEXT_KINDS or name in (FAMILIES[family], "vae", "scheduler")


LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that Git LFS has put in the place of a large one."""


def is_lfs_pointer(file: Path) -> bool:
    """Whether a regular file stands for one that Git LFS has not fetched."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False


def lfs_problem(name: str) -> str:
    """The problem of a file that is such a pointer, with the remedy."""
    return f"{name} is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder"


def read_json(file: Path) -> Mapping[str, Any]:
    """A JSON file that holds a table.

    Raises:
        ValueError: there is none, or it holds something else.
    """
    # Opening a pipe could wait for ever.
    if file.exists() and not file.is_file():
        raise ValueError(f"{file} is not a regular file; copy it again")
    if is_lfs_pointer(file):
        raise ValueError(lfs_problem(str(file)))
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"there is no {file.name} in {file.parent}") from None
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{file} cannot be read: {why}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} is not a table of settings; copy it again")
    return content


def variant_of(part: Path, library: str = "diffusers") -> str | None:
    """The variant of the weights that a library reads from a folder; None for plain ones.

    Plain weights are preferred. Of several variants the most exact of `VARIANTS` is taken. An index
    none of whose shards is there was left over, and counts only where nothing else is there.

    Raises:
        ValueError: the folder has no weights that can be read, with the remedy.
    """
    files = sorted(file.name for file in part.glob("*") if file.is_file())
    names = WEIGHTS.get(library, WEIGHTS["transformers"])
    found = [match for name in files if (match := names.fullmatch(name))]
    used = [match for match in found if not _is_left_over(part / match.string)]
    variants = {match["whole"] or match["index"] for match in used or found}
    for variant in (None, *VARIANTS):
        if variant in variants:
            return variant
    raise ValueError(dangling_problem(part) or _no_weights(part.name, library, files))


def _is_left_over(file: Path) -> bool:
    """Whether a file of weights is an index that names shards, none of which is there."""
    if file.suffix != ".json":
        return False
    try:
        shards = read_json(file).get("weight_map")
    except ValueError:
        # Damaged, which is reported where it is read.
        return False
    names = {str(name) for name in shards.values()} if isinstance(shards, dict) else set()
    return bool(names) and not any((file.parent / name).is_file() for name in names)


def _variants_of_file(name: str, library: str) -> set[str | None]:
    """The variant that a file of weights is of, None for the plain one; empty for other files."""
    if match := WEIGHTS.get(library, WEIGHTS["transformers"]).fullmatch(name):
        return {match["whole"] or match["index"]}
    if match := SHARDS.get(library, SHARDS["transformers"]).fullmatch(name):
        return {match["before"] or match["after"]}
    return set()


def dangling_problem(folder: Path) -> str | None:
    """The problem of a link in the place of weights that leads nowhere; None without one.

    Such links are left where a folder of the hub's cache was copied without what they lead to.
    """
    for file in sorted(folder.rglob("*.safetensors")):
        if file.is_symlink() and not file.exists():
            name = file.relative_to(folder.parent)
            return (
                f"{name} is a link to {file.readlink()}, which is not there; copy the model again "
                "with what its links lead to (`cp -rL`), or download it again"
            )
    return None


def _no_weights(part: str, library: str, files: list[str]) -> str:
    """Why a part cannot be loaded, by what is in its folder."""
    if pickled := next((name for name in files if name.endswith(PICKLED)), None):
        return (
            f"{part}/{pickled} is pickled, which can run any code and is never loaded; "
            "convert it: load it where you trust it, and "
            "`save_pretrained(folder, safe_serialization=True)`"
        )
    others = [name for name in files if name.endswith(".safetensors")]
    seen = f" (but {', '.join(others[:3])})" if others else ""
    return (
        f"{part}/ has no weights that {library} reads{seen}; give a folder as "
        "`save_pretrained` writes it"
    )
