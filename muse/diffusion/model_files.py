"""What is in the folder or the file of a diffusion model, read without loading it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muse.diffusion.part_fit import channel_problems, tiny_vae_problem, width_problems
from muse.sizes import USUAL_SIZE, sides

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

TINY_VAE = "tiny_vae"
"""A folder that diffusers does not know: the tiny decoder that a model brings."""

OPTIONAL = {"StableDiffusion3Pipeline": ("text_encoder_3", "tokenizer_3")}
"""Parts that a family works without, if model_index.json says so."""

TEXT_PARTS = {
    "StableDiffusionPipeline": 1,
    "StableDiffusionXLPipeline": 2,
    "StableDiffusion3Pipeline": 2,
    "FluxPipeline": 2,
    "ZImagePipeline": 1,
}
"""Text encoders, each with its tokenizer, that a family cannot work without."""

READ_WINDOWS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
"""Families that can read longer prompts in windows (see `muse.guidance.windows`)."""

WITHOUT_WEIGHTS = ("Tokenizer", "TokenizerFast", "Scheduler")
"""Ends of the names of classes that have no weights."""

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

WEIGHTS = {
    library: re.compile(
        rf"{name}(\.(?P<whole>\w+))?\.safetensors|{name}\.safetensors\.index(\.(?P<index>\w+))?\.json"
    )
    for library, name in (("diffusers", "diffusion_pytorch_model"), ("transformers", "model"))
}
"""By library: names of the weights that it reads, or of the index of its shards, with a variant."""

VARIANTS = ("fp32", "bf16", "fp16")
"""Variants of weights, the most exact first. They serve where a part has no weights without one."""

QUANTIZERS = {
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "quanto": "optimum.quanto",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
}
"""Packages that weights in a quantised form are loaded with, by the method in their config."""

ONLY_FOLDERS = {
    "double_blocks.": "FLUX",
    "transformer_blocks.": "a diffusion transformer",
    "noise_refiner.": "Z-Image",
}
"""Parts of the names of tensors in single files that cannot be loaded: what they are of."""

LATENT_CHANNELS = {
    "StableDiffusionPipeline": 4,
    "StableDiffusionXLPipeline": 4,
    "StableDiffusion3Pipeline": 16,
}
"""Channels of the latents of a single-file model."""


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
        parts, left_out = {}, []
        for name, value in index.items():
            if not isinstance(value, list) or len(value) != 2 or name in NEVER_LOADED:
                continue
            if all(isinstance(text, str) for text in value):
                parts[name] = (value[0], value[1])
            else:
                left_out.append(name)
        if (path / TINY_VAE).is_dir():
            parts[TINY_VAE] = ("diffusers", "AutoencoderTiny")
        return cls(path, str(index.get("_class_name") or ""), parts, tuple(left_out))

    def has_weights(self, part: str) -> bool:
        """Whether the class of a part has weights, as a tokenizer has not."""
        return not self.parts[part][1].endswith(WITHOUT_WEIGHTS)

    def variant(self, part: str) -> str | None:
        """The variant of a part's weights; see `variant_of`."""
        return variant_of(self.path / part, self.parts[part][0])

    def config(self, part: str) -> Mapping[str, Any]:
        """The settings of a part; empty if it has none that can be read."""
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        try:
            return read_json(self.path / part / name)
        except ValueError:
            return {}


def published_vae(family: str) -> Mapping[str, Any]:
    """What the latents of the published models of a family depend on. A single file does not tell
    its own."""
    if family == "StableDiffusion3Pipeline":
        return {"latent_channels": 16, "scaling_factor": 1.5305, "shift_factor": 0.0609}
    scaling = 0.13025 if family == "StableDiffusionXLPipeline" else 0.18215
    return {"latent_channels": 4, "scaling_factor": scaling}


def published_scheduler(family: str) -> Mapping[str, Any]:
    """The scheduler that the published model of a family came with, as far as the choice of a
    sampler depends on it. A single file does not tell its own."""
    if family == "StableDiffusion3Pipeline":
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    if family == "StableDiffusionXLPipeline":
        return {"_class_name": "EulerDiscreteScheduler", **betas, "steps_offset": 1}
    return {"_class_name": "PNDMScheduler", **betas, "skip_prk_steps": True, "steps_offset": 1}


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

    Plain weights are preferred. Of several variants the most exact of `VARIANTS` is taken.

    Raises:
        ValueError: the folder has no weights that can be read, with the remedy.
    """
    files = sorted(file.name for file in part.glob("*") if file.is_file())
    names = WEIGHTS.get(library, WEIGHTS["transformers"])
    found = [match for name in files if (match := names.fullmatch(name))]
    variants = {match["whole"] or match["index"] for match in found}
    for variant in (None, *VARIANTS):
        if variant in variants:
            return variant
    raise ValueError(_no_weights(part.name, library, files))


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


def folder_problems(folder: ModelFolder) -> Iterator[str]:
    """Why a diffusion model cannot be loaded: one line a problem, with the remedy."""
    if not folder.family:
        yield (
            "model_index.json does not name the class of its pipeline (_class_name); copy it again "
            f"from a model of one of {', '.join(FAMILIES)}"
        )
        return
    if folder.family not in FAMILIES:
        yield f"it is a {folder.family}; known: {', '.join(FAMILIES)}"
        return
    absent = [name for name in folder.parts if not (folder.path / name).is_dir()]
    for name in absent:
        yield _is_absent(folder, name)
    for name in sorted({*folder.parts} - {*absent}):
        if folder.has_weights(name):
            if not (folder.path / name / "config.json").exists():
                yield f"{name}/config.json is missing; copy the model again, with all its files"
            try:
                folder.variant(name)
            except ValueError as error:
                yield str(error)
        yield from _pointers(folder.path / name)
    for name in folder.parts:
        yield from _quantizer_problems(name, folder.config(name))
    network = FAMILIES[folder.family]
    for name in (network, "vae", "scheduler", *_text_parts(folder.family)):
        if name not in folder.parts:
            yield f"model_index.json names no {name}; copy the model again"
    yield from _size_problems(folder.config(network), network)
    yield from _fit_problems(folder, network)


def _fit_problems(folder: ModelFolder, network: str) -> Iterator[str]:
    """Parts that do not fit each other.

    Args:
        network: the name of its part.
    """
    family, vae = folder.family, folder.config("vae")
    yield from channel_problems(family, folder.config(network), vae, network)
    yield from width_problems(family, folder.config, network)
    if TINY_VAE in folder.parts:
        problem = tiny_vae_problem(folder.config(TINY_VAE), vae)
        if problem is not None:
            yield f"{TINY_VAE}/: {problem}"


def _pointers(part: Path) -> Iterator[str]:
    """Files of a part that are pointers of Git LFS."""
    for file in sorted(part.glob("*")):
        if file.is_file() and file.suffix not in PICKLED and is_lfs_pointer(file):
            yield lfs_problem(f"{part.name}/{file.name}")


def _text_parts(family: str) -> Iterator[str]:
    """Names of the text encoders and tokenizers that a family cannot work without."""
    for number in range(1, TEXT_PARTS[family] + 1):
        suffix = "" if number == 1 else f"_{number}"
        yield f"text_encoder{suffix}"
        yield f"tokenizer{suffix}"


def _is_absent(folder: ModelFolder, name: str) -> str:
    remedy = "copy the model again, with all its folders"
    if name in OPTIONAL.get(folder.family, ()):
        parts = " and ".join(OPTIONAL[folder.family])
        remedy += f", or leave out {parts} by [null, null] in model_index.json"
    return f"model_index.json names {name}, but there is no folder {name}/; {remedy}"


def _quantizer_problems(part: str, config: Mapping[str, Any]) -> Iterator[str]:
    """Why a part with quantised weights cannot be loaded here."""
    quantization = config.get("quantization_config")
    if not isinstance(quantization, dict):
        return
    method = str(quantization.get("quant_method", "")).removesuffix("_4bit").removesuffix("_8bit")
    package = QUANTIZERS.get(method, method)
    if not package or importlib.util.find_spec(package.partition(".")[0]) is None:
        yield (
            f"{part}/ is quantised by {method or 'an unnamed method'}, which needs the package "
            f"{package or '(see its model card)'}: install it, or give the part unquantised"
        )


def _size_problems(network: Mapping[str, Any], name: str) -> Iterator[str]:
    """What is wrong with the size of the model's own images, as the network's settings say it."""
    # What has no such setting has a size of its own all the same.
    has_size, size = any(key in network for key in USUAL_SIZE), network.get("sample_size")
    if network and not has_size and sides(size) is None:
        yield (
            f"the sample_size in {name}/config.json is {json.dumps(size)}; set it to the side of "
            "the latents of the model's own images, or to [height, width]"
        )


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """The shapes of the tensors in a safetensors file, by their names.

    Raises:
        ValueError: it is not readable.
    """
    from safetensors import safe_open

    try:
        with safe_open(file, "np") as opened:
            return {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises classes of its own, and Rust's
        raise ValueError(f"{file} is not a readable safetensors file: {error}") from None


def latent_channels_of(vae: Path) -> int | None:
    """The channels of the latents that a single-file VAE decodes; None if its tensors do not say.

    Raises:
        ValueError: it is not readable.
    """
    shapes = tensor_shapes(vae)
    name = next((name for name in shapes if name.endswith("decoder.conv_in.weight")), None)
    return None if name is None else shapes[name][1]


def family_of_file(file: Path) -> str:
    """The pipeline class of a single-file checkpoint, by the names and shapes of its tensors.

    Raises:
        ValueError: it is not readable, or of no known family.
    """
    shapes = tensor_shapes(file)
    if any(name.startswith("conditioner.embedders.1.") for name in shapes):
        family = "StableDiffusionXLPipeline"
    elif any("joint_blocks." in name for name in shapes):
        family = "StableDiffusion3Pipeline"
    elif any(name.startswith("model.diffusion_model.input_blocks.") for name in shapes):
        family = "StableDiffusionPipeline"
    else:
        raise ValueError(f"{file} {_why_no_checkpoint(shapes)}")
    first = shapes.get("model.diffusion_model.input_blocks.0.0.weight")
    if first is not None and first[1] != LATENT_CHANNELS[family]:
        raise ValueError(
            f"the network of {file} takes {first[1]} channels, but the latents have "
            f"{LATENT_CHANNELS[family]}: it is a model for inpainting or for edits by instruction; "
            "give the text-to-image model of its family"
        )
    return family


def _why_no_checkpoint(names: Iterable[str]) -> str:
    """Why a single file whose tensors have these names cannot be loaded."""
    for part, kind in ONLY_FOLDERS.items():
        if any(part in name for name in names):
            return (
                f"holds the network of {kind}, by the names of its tensors; single files are read "
                "of Stable Diffusion alone: give the model's folder in the layout of diffusers, or "
                "its hub id"
            )
    return "is not a Stable Diffusion checkpoint, by the names of its tensors"


def model_problems(model: Path) -> Iterator[str]:
    """Why the diffusion model in a folder or a single file cannot be loaded."""
    try:
        if model.is_file():
            family_of_file(model)
        else:
            yield from folder_problems(ModelFolder.read(model))
    except ValueError as error:
        yield str(error)
