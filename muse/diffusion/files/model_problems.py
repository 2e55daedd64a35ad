"""Why a diffusion model cannot be loaded, each problem with its remedy. Nothing is loaded."""

from __future__ import annotations

import importlib.util
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import (
    FAMILIES,
    NEVER_LOADED,
    PICKLED,
    TINY_VAE,
    ModelFolder,
    is_lfs_pointer,
    is_loaded,
    lfs_problem,
    read_json,
)
from muse.diffusion.files.part_classes import class_problems
from muse.diffusion.files.part_fit import (
    channel_problems,
    latents_problem,
    tiny_vae_problem,
    width_problems,
)
from muse.diffusion.files.part_values import value_problem
from muse.diffusion.files.part_weights import part_shapes
from muse.diffusion.files.single_files import family_of_file
from muse.diffusion.files.text_encoder_files import missing_weights, text_problems
from muse.diffusion.files.unet_fit import missing_inputs, unet_problems
from muse.diffusion.schedule.own_scheduler import own_problems
from muse.sizes import USUAL_SIZE, ModelSizes, sides

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

REFINER = (
    "it is a refiner (model_index.json leaves out its text_encoder), which only finishes images of "
    "another model; give the base model"
)

QUANTIZERS = {
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "quanto": "optimum.quanto",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
}
"""Packages that weights in a quantised form are loaded with, by the method in their config."""

BITSANDBYTES = ("load_in_4bit", "load_in_8bit")
"""Keys of which bitsandbytes sets one."""


def model_problems(model: Path) -> Iterator[str]:
    """Why the diffusion model in a folder or a single file cannot be loaded."""
    try:
        if model.is_file():
            yield from problems_beside(model)
        else:
            folder = ModelFolder.read(model)
            yield from folder_problems(folder)
            yield from missing_weights(folder)
            if "unet" in folder.parts:
                yield from missing_inputs(folder.config("unet"), part_shapes(folder, "unet"))
    except ValueError as error:
        yield str(error)


def problems_beside(file: Path) -> Iterator[str]:
    """Why a single file cannot be loaded with the folder of settings beside it: one line a
    problem, with the remedy.

    Raises:
        ValueError: the file is not readable, or of no known family.
    """
    family, configs = family_of_file(file), configs_beside(file)
    if configs is None:
        return
    try:
        folder = ModelFolder.read(configs)
    except ValueError as error:
        yield f"the folder {configs.name}/ beside the file: {error}"
        return
    if folder.family in FAMILIES and folder.family != family:
        yield (
            f"the folder {configs.name}/ beside the file has the settings of a {folder.family}, "
            f"but the file holds a {family}, by the names of its tensors; put the settings of the "
            "model there that the file is of"
        )
        return
    for problem in folder_problems(folder, has_weights=False):
        yield f"the folder {configs.name}/ beside the file: {problem}"


def _of_no_family(folder: ModelFolder) -> str:
    return f"it is a {folder.family}; known: {', '.join(FAMILIES)}; give a model of one of these"


def family_problem(model: Path) -> str | None:
    """That a folder is of a pipeline that is not among the known families; None where it is of one,
    or does not say.
    """
    try:
        folder = ModelFolder.read(model)
    except ValueError:
        return None
    return _of_no_family(folder) if folder.family and folder.family not in FAMILIES else None


def folder_problems(folder: ModelFolder, has_weights: bool = True) -> Iterator[str]:
    """Why a diffusion model cannot be loaded: one line a problem, with the remedy.

    Args:
        has_weights: its parts have weights; without them it is the folder beside a single file.
    """
    if not folder.family:
        yield (
            "model_index.json does not name the class of its pipeline (_class_name); copy it again "
            f"from a model of one of {', '.join(FAMILIES)}"
        )
        return
    if folder.family not in FAMILIES:
        yield _of_no_family(folder)
        return
    absent = [name for name in folder.parts if not (folder.path / name).is_dir()]
    for name in absent:
        yield _is_absent(folder, name)
    for name in sorted({*folder.parts} - {*absent}):
        if folder.has_weights(name):
            if not (folder.path / name / "config.json").exists():
                yield f"{name}/config.json is missing; copy the model again, with all its files"
            try:
                if has_weights:
                    folder.variant(name)
            except ValueError as error:
                yield str(error)
        yield from _pointers(folder, name)
    for name in folder.parts:
        yield from _quantizer_problems(name, folder.config(name))
    network = FAMILIES[folder.family]
    if "text_encoder" in folder.left_out and "text_encoder_2" in folder.parts:
        yield REFINER
        return
    for name in (network, "vae", "scheduler", *_text_parts(folder.family)):
        if name not in folder.parts:
            yield f"model_index.json names no {name}; copy the model again"
    yield from text_problems(folder)
    yield from _unread_values(folder)
    # What is said of parts of other classes would be guessed.
    if of_class := list(class_problems(folder)):
        yield from of_class
        return
    found = {name: value_problem(folder.config(name)) for name in (network, "vae")}
    # What is not a number cannot be compared.
    if wrong := [f"{name}/: {problem}" for name, problem in found.items() if problem]:
        yield from wrong
        return
    yield from own_problems(folder.family, folder.config("scheduler"))
    yield from _size_problems(folder.config(network), folder.config("vae"), network)
    yield from _fit_problems(folder, network)


def _unread_values(folder: ModelFolder) -> Iterator[str]:
    """Values in model_index.json at which diffusers fails, also for parts that are never loaded."""
    index = read_json(folder.path / "model_index.json")
    unread = [
        name
        for name, value in index.items()
        if (name in NEVER_LOADED or is_loaded(folder.family, name))
        and not (value and isinstance(value, list | str))
    ]
    # Importing a pipeline takes seconds.
    if not unread:
        return
    import diffusers

    known = inspect.signature(getattr(diffusers, folder.family).__init__).parameters
    for name in filter(known.__contains__, unread):
        yield (
            f"model_index.json has {json.dumps(index[name])} for {name}, which diffusers cannot "
            "read; a part is left out by [null, null]"
        )


def _fit_problems(folder: ModelFolder, network: str) -> Iterator[str]:
    """Parts that do not fit each other.

    Args:
        network: the name of its part.
    """
    family, vae = folder.family, folder.config("vae")
    yield from channel_problems(family, folder.config(network), vae, network)
    yield from width_problems(family, folder.config, network)
    if network == "unet":
        yield from unet_problems(family, folder.config)
    if problem := latents_problem(vae):
        yield f"vae/: {problem}"
    if TINY_VAE in folder.parts:
        problem = tiny_vae_problem(folder.config(TINY_VAE), vae)
        if problem is not None:
            yield f"{TINY_VAE}/: {problem}"


def _pointers(folder: ModelFolder, part: str) -> Iterator[str]:
    """Files of a part that are read and are pointers of Git LFS."""
    for file in sorted((folder.path / part).glob("*")):
        is_read = file.suffix not in PICKLED and not folder.is_unread(part, file.name)
        if file.is_file() and is_read and is_lfs_pointer(file):
            yield lfs_problem(f"{part}/{file.name}")


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
    if quantization is None:
        return
    named = quantization.get("quant_method") if isinstance(quantization, dict) else None
    # Older files of bitsandbytes name no method; transformers and diffusers read them all the same.
    if isinstance(quantization, dict) and any(map(quantization.get, BITSANDBYTES)):
        named = named or "bitsandbytes"
    if not (named and isinstance(named, str)):
        yield (
            f"the quantization_config in {part}/config.json is {json.dumps(quantization)[:80]}, "
            "which names no quant_method; take it out if the weights are not quantised, or copy "
            "the file again"
        )
        return
    method = named.removesuffix("_4bit").removesuffix("_8bit")
    package = QUANTIZERS.get(method, method)
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        yield (
            f"{part}/ is quantised by {method}, which needs the package {package}: install it, or "
            "give the part unquantised"
        )


def _size_problems(network: Mapping[str, Any], vae: Mapping[str, Any], name: str) -> Iterator[str]:
    """What is wrong with the size of the model's own images, as the network's settings say it."""
    # What has no such setting has a size of its own all the same.
    has_size, size = any(key in network for key in USUAL_SIZE), network.get("sample_size")
    if network and not has_size and sides(size) is None:
        yield (
            f"the sample_size in {name}/config.json is {json.dumps(size)}; set it to the side of "
            "the latents of the model's own images, or to [height, width]"
        )
        return
    sizes = ModelSizes.of(network, vae)
    if sizes is not None and sizes.longest is not None:
        longer = max(sizes.own.width, sizes.own.height)
        if longer > sizes.longest:
            yield (
                f"by {name}/config.json, the model's own images are {sizes.own}, but it has "
                f"positions for at most {sizes.longest} pixels a side: sample_size and "
                f"pos_embed_max_size, or axes_lens, do not fit; copy {name}/ again from the model"
            )
