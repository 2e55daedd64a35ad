"""Whether the parts of a diffusion model fit each other, by their configurations alone.

Parts that do not fit fail in the first request, or make wrong images without a word.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from muse.diffusion.files.part_values import value_problem

Config = Mapping[str, Any]
"""What the `config.json` of a part says; empty if it is not known."""

PACKED = ("FluxPipeline",)
"""Families whose network takes patches of 2 x 2 latents as channels."""

WIDTHS: Mapping[str, Sequence[tuple[Sequence[str], str, str]]] = {
    "StableDiffusionPipeline": [(("text_encoder",), "hidden_size", "cross_attention_dim")],
    "StableDiffusionXLPipeline": [
        (("text_encoder", "text_encoder_2"), "hidden_size", "cross_attention_dim")
    ],
    "StableDiffusion3Pipeline": [
        (("text_encoder", "text_encoder_2"), "projection_dim", "pooled_projection_dim"),
        (("text_encoder_3",), "d_model", "joint_attention_dim"),
    ],
    "FluxPipeline": [
        (("text_encoder",), "hidden_size", "pooled_projection_dim"),
        (("text_encoder_2",), "d_model", "joint_attention_dim"),
    ],
    "ZImagePipeline": [(("text_encoder",), "hidden_size", "cap_feat_dim")],
}
"""By family: text encoders, the setting of each that has its width, and the setting of the network
that has to be their sum."""

CLIPS = {
    "StableDiffusionPipeline": ("text_encoder",),
    "StableDiffusionXLPipeline": ("text_encoder", "text_encoder_2"),
    "StableDiffusion3Pipeline": ("text_encoder", "text_encoder_2"),
}
"""By family: the text encoders of which `clip_skip` leaves out layers; no others have any."""

TOKEN_ENCODERS = {
    **CLIPS,
    "FluxPipeline": ("text_encoder", "text_encoder_2"),
    "ZImagePipeline": ("text_encoder",),
}
"""By family: the text encoders that take emotional tokens."""

LATENTS: Config = {
    "latent_channels": 4,
    "scaling_factor": 0.18215,
    "shift_factor": 0.0,
    "latents_mean": None,
    "latents_std": None,
}
"""Settings of a VAE on which its latents depend, with their defaults in diffusers."""

NORMALISED = ("latents_mean", "latents_std")
"""Those by which some VAEs normalise each channel of their latents."""

TINY = "AutoencoderTiny"
"""The class of tiny decoders in diffusers."""

BLOCKS = (0,) * 4
"""As many blocks as a VAE has, each but the last halving the image, if its settings do not say."""


def channel_problems(family: str, network: Config, vae: Config, name: str) -> Iterator[str]:
    """What is wrong with the channels of a network, or of the VAE beside it.

    Args:
        name: of the network's folder.
    """
    packing = 4 if family in PACKED else 1
    latents = vae.get("latent_channels", LATENTS["latent_channels"]) * packing
    channels = network.get("in_channels")
    if channels is None:
        return
    # A U-Net gives latents alone, whatever else it takes. Transformers give what they take, if the
    # settings do not say otherwise.
    usual = LATENTS["latent_channels"] if name == "unet" else channels
    given = network.get("out_channels") or usual
    if channels > given:
        yield (
            f"{name}/ takes {channels} channels, but the latents have {given}: it is a model for "
            "inpainting or for edits by instruction; give the text-to-image model of its family"
        )
    elif channels != latents:
        yield (
            f"{name}/ takes {channels} channels, but the latents have {latents}, by "
            "vae/config.json: the VAE is of another family; give the one that belongs to the model"
        )
    elif given != latents:
        yield (
            f"{name}/ gives {given} channels, but the latents have {latents}: it predicts a "
            "variance as well, or something else than latents, which no sampler here reads; give "
            "the text-to-image model of its family"
        )


def width_problems(family: str, config: Callable[[str], Config], name: str) -> Iterator[str]:
    """Text encoders whose output the network cannot read.

    Args:
        config: the settings of a part by its name.
        name: of the network's folder.
    """
    network = config(name)
    # Such a network projects what it reads first.
    if network.get("encoder_hid_dim") is not None:
        return
    for parts, key, expected in WIDTHS.get(family, ()):
        widths: list[Any] = [text_config(config(part)).get(key) for part in parts]
        reads = network.get(expected)
        # A list has a width for each block; what is not said cannot be compared.
        if not isinstance(reads, int) or not all(isinstance(width, int) for width in widths):
            continue
        if sum(widths) != reads:
            folders = " and ".join(f"{part}/" for part in parts)
            yield (
                f"{folders} and {name}/ do not fit: {key} is {' + '.join(map(str, widths))}, "
                f"but {expected} is {reads}; they are parts of different models: copy all of them "
                "from one model"
            )


def clip_skip_problem(family: str, config: Callable[[str], Config], clip_skip: int) -> str | None:
    """Why a model cannot leave out so many layers of its text encoders; None if it can.

    Args:
        config: the settings of a part by its name.
    """
    if clip_skip == 0:
        return None
    if family not in CLIPS:
        return (
            f"is {clip_skip}, but a {family} reads no prompt by the layers of a CLIP; leave it out"
        )
    for part in CLIPS[family]:
        layers = text_config(config(part)).get("num_hidden_layers")
        if isinstance(layers, int) and clip_skip >= layers:
            return f"is {clip_skip}, but {part}/ has {layers} layers; give at most {layers - 1}"
    return None


def token_width(family: str, config: Callable[[str], Config]) -> int | None:
    """The width of an emotional token: that of the word embeddings of all encoders that take some.

    Args:
        config: the settings of a part by its name.

    Returns:
        None where the settings do not say it, as those of a single file.
    """
    widths = []
    for part in TOKEN_ENCODERS.get(family, ()):
        settings = text_config(config(part))
        widths.append(settings.get("hidden_size") or settings.get("d_model"))
    if not widths or not all(isinstance(width, int) for width in widths):
        return None
    return sum(width for width in widths if width is not None)


def vae_problem(vae: Config, own: Config) -> str | None:
    """Why a VAE cannot take the place of a model's own; None if it can.

    The network has learned the latents of its own: those of another family decode to other
    pictures.
    """
    kind = vae.get("_class_name", "AutoencoderKL")
    if kind != "AutoencoderKL":
        remedy = "set tiny_vae to it" if kind == TINY else "give one of that class"
        return f"its class is {kind}, not AutoencoderKL; {remedy}"
    if problem := value_problem(vae) or latents_problem(vae):
        return problem
    for key, usual in LATENTS.items():
        values = [config.get(key) or usual for config in (vae, own)]
        if values[0] != values[1] and key in NORMALISED:
            return (
                f"its {key} is {json.dumps(values[0])}, but that of the model's own VAE is "
                f"{json.dumps(values[1])}, so that their latents differ; give one that was made "
                "for this model's family"
            )
        if values[0] != values[1]:
            return (
                f"its {key} is {values[0]}, but that of the model's own VAE is {values[1]}: it is "
                "the VAE of another family; give one that was made for this model's"
            )
    blocks = [len(config.get("block_out_channels", BLOCKS)) for config in (vae, own)]
    if blocks[0] != blocks[1]:
        return (
            f"it has {blocks[0]} blocks, but the model's own VAE has {blocks[1]}, so that their "
            "latents differ in size; give one that was made for this model's family"
        )
    return None


def latents_problem(vae: Config) -> str | None:
    """What is wrong with the numbers by which the latents of a VAE are scaled, shifted and
    normalised; None if nothing.

    diffusers has a default for a scale that its settings do not name.
    """
    factor, shift = vae.get("scaling_factor", 1.0), vae.get("shift_factor")
    if not (_is_number(factor) and factor > 0):
        return (
            f"the scaling_factor in its config.json is {json.dumps(factor)}; set it to the number "
            "that its authors publish, as 0.18215 for Stable Diffusion 1 and 2"
        )
    if shift is not None and not _is_number(shift):
        return (
            f"the shift_factor in its config.json is {json.dumps(shift)}; set it to the number "
            "that its authors publish, or leave it out"
        )
    mean, spread = vae.get("latents_mean"), vae.get("latents_std")
    # One alone is not read, as in diffusers.
    if mean is None or spread is None:
        return None
    channels = vae.get("latent_channels", LATENTS["latent_channels"])
    for key, values in (("latents_mean", mean), ("latents_std", spread)):
        listed = values if isinstance(values, list) and len(values) == channels else [None]
        is_right = all(map(_is_number, listed))
        if key == "latents_std":
            is_right = is_right and min(listed) > 0
        if not is_right:
            each = "number above 0" if key == "latents_std" else "number"
            return (
                f"the {key} in its config.json is {json.dumps(values)}, but has to be a list with "
                f"a {each} for each of its {channels} latent channels; copy config.json again, or "
                "leave out both latents_mean and latents_std"
            )
    return None


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def tiny_vae_problem(tiny: Config, vae: Config) -> str | None:
    """Why a model cannot be decoded by a tiny decoder; None if it can.

    Args:
        vae: the model's.
    """
    kind = tiny.get("_class_name", TINY)
    remedy = 'give one of the TAESD family that was made for this model, or set tiny_vae = "none"'
    if kind != TINY:
        return f"its class is {kind}, which is no tiny decoder ({TINY}); {remedy}"
    if problem := value_problem(tiny):
        return f'{problem}, or set tiny_vae = "none"'
    channels = [config.get("latent_channels", 4) for config in (tiny, vae)]
    if channels[0] != channels[1]:
        return (
            f"it decodes latents of {channels[0]} channels, but those of the model have "
            f"{channels[1]}; {remedy}"
        )
    keys = ("decoder_block_out_channels", "block_out_channels")
    blocks = [len(config.get(key, BLOCKS)) for key, config in zip(keys, (tiny, vae), strict=True)]
    if blocks[0] != blocks[1]:
        return f"it has {blocks[0]} blocks, but the model's VAE has {blocks[1]}; {remedy}"
    return None


def text_config(config: Config) -> Config:
    """The settings of a text encoder, which those of a whole CLIP hold one level deeper."""
    nested = config.get("text_config")
    return nested if config.get("model_type") == "clip" and isinstance(nested, dict) else config
