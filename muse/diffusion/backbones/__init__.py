"""Diffusion models behind one protocol; a new family is a class in its own file and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.backbones.checkpoints import fuse_loras, open_pipeline, open_tiny_vae, open_vae
from muse.diffusion.backbones.codec import Codec
from muse.diffusion.backbones.flux import Flux
from muse.diffusion.backbones.stable_diffusion import StableDiffusion
from muse.diffusion.backbones.stable_diffusion_3 import StableDiffusion3
from muse.diffusion.backbones.stable_diffusion_xl import StableDiffusionXL
from muse.diffusion.backbones.static_rows import StaticRows, compile_blocks
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders
from muse.diffusion.backbones.textual_inversions import add_embeddings
from muse.diffusion.backbones.z_image import ZImage
from muse.diffusion.compiling import OFF, is_compiled
from muse.diffusion.devices import AUTO, dtype_of
from muse.diffusion.files.hub import local_model
from muse.diffusion.quiet import quiet_loading
from muse.guidance.fitted_tokens import FittedTokens
from muse.guidance.fitted_tokens_file import TokensFile, place_of

__all__ = ["Backbone", "Codec", "Conditioning", "Prompts", "TextEncoders", "load_backbone"]

FAMILIES: dict[str, Any] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "StableDiffusion3Pipeline": StableDiffusion3,
    "FluxPipeline": Flux,
    "ZImagePipeline": ZImage,
}


def as_names(given: str | Path | Sequence[str | Path] | None) -> list[str]:
    """One or several LoRAs or textual inversions as a list of names; None for none.

    Raises:
        ValueError: something else, or an empty name.
    """
    if given is None:
        return []
    if not isinstance(given, str | Path | Sequence):
        raise ValueError(f"{given!r} is no name; give one text, or a list of them")
    names = [str(given)] if isinstance(given, str | Path) else list(map(str, given))
    if not all(map(str.strip, names)):
        raise ValueError("a name is empty; give a file, folder or hub id, or leave it out")
    return names


@quiet_loading("diffusers", "transformers")
def load_backbone(
    path: str | Path,
    device: str = "cpu",
    dtype: str = AUTO,
    vae: str | None = None,
    lora: str | Path | Sequence[str | Path] = (),
    tiny_vae: str = "",
    compile: str | bool = OFF,
    clip_skip: int = 0,
    vae_tiling: bool = False,
    embedding: str | Path | Sequence[str | Path] = (),
    fitted_tokens: str | Path = "",
) -> Backbone:
    """Load a diffusion model from safetensors; code in its folder is never run.

    Args:
        path: a diffusers folder, a hub id, or a single `.safetensors` file in the layout of the
            first releases (see `muse.diffusion.files.hub.configs_beside` for its configurations).
        dtype: of the weights (see `muse.diffusion.devices.dtype_of`), in which they are read;
            tokens, loss and optimiser stay float32.
        vae: another VAE's folder, hub id or single file.
        lora: a LoRA's file, folder or hub id, or several, each fused at full strength or at the one
            after a colon, as in `style.safetensors:0.8`; needs peft.
        tiny_vae: a tiny decoder's (`AutoencoderTiny`) folder or hub id, for what the guide reads
            on the way; `none` for the VAE itself. By default the one in the folder `tiny_vae/` of
            a model that is a folder, if it has one.
        compile: `on` to have torch compile the blocks that the network repeats, as they are first
            used, for a few numbers of rows (see `static_rows`); True and False mean `on` and `off`.
        clip_skip: layers of the CLIP text encoders that are left out at the end, as in diffusers.
        vae_tiling: have the VAE work in tiles of its own training size that overlap by a quarter,
            as diffusers' `enable_tiling`. Larger images then differ a little.
        embedding: a textual inversion's file, folder or hub id, or several. The token that stands
            for it in prompts follows after a colon, as in `cat.safetensors:<cat>`; by default the
            one that the file names.
        fitted_tokens: the file of emotional tokens to start with; `none` to start from the words of
            the emotions. By default the one in the folder of the model, if it has one.

    Raises:
        ValueError: not a complete model of a known family, only pickled weights, a LoRA, a textual
            inversion or fitted tokens that do not fit or cannot be loaded, or an unknown dtype,
            `clip_skip` or `compile`.
    """
    compiled = is_compiled(compile)
    # True is 1 in Python, and a negative number would count from the other end.
    if type(clip_skip) is not int or clip_skip < 0:
        raise ValueError(f"clip_skip is {clip_skip!r}; give a whole number from 0")
    of_weights = dtype_of(dtype, device)
    pipe = open_pipeline(str(path), of_weights)
    family = type(pipe).__name__
    if vae:
        pipe.vae = open_vae(vae, pipe.vae, of_weights)
    fuse_loras(pipe, as_names(lora))
    add_embeddings(pipe, as_names(embedding))
    tiny = open_tiny_vae(tiny_vae, str(path), pipe.vae, of_weights)
    backbone: Backbone = FAMILIES[family](pipe, device, of_weights, tiny, clip_skip)
    layers = min(model.config.num_hidden_layers for model in backbone.text.models)
    if clip_skip >= layers:
        raise ValueError(f"clip_skip is {clip_skip}, but a text encoder has {layers} layers")
    backbone.text.fitted = _fitted(fitted_tokens, path, sum(backbone.text.widths))
    if vae_tiling:
        backbone.codec.vae.enable_tiling()
    if compiled:
        compile_blocks(backbone.network)
        return cast(Backbone, StaticRows(backbone))
    return backbone


def _fitted(name: str | Path, model: str | Path, width: int) -> FittedTokens | None:
    """The tokens that were fitted to a model, as `load_backbone` is given their name.

    Args:
        width: of the word embeddings of all encoders that take emotional tokens.

    Raises:
        ValueError: they cannot be read, or do not fit.
    """
    if not isinstance(name, str | Path):
        raise ValueError(f"fitted_tokens is {name!r}; give the path of a file, 'none' or ''")
    is_here = Path(model).expanduser().exists()
    file = place_of(name, model if is_here else local_model(str(model), download=False))
    if file is None:
        return None
    tokens = TokensFile.read(file)
    if problem := tokens.width_problem(width):
        raise ValueError(f"fitted_tokens {file}: {problem}")
    return FittedTokens.of(tokens)
