"""Whether a U-Net asks for nothing but a prompt, by its settings alone.

Upscalers, refiners and models that read pictures have further inputs, which no run has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from muse.diffusion.files.part_fit import Config

XL = "StableDiffusionXLPipeline"

TEXT_TIME = "text_time"
"""How Stable Diffusion XL adds its pooled prompt and its sizes to the time step."""

SIZES, SIZES_OF_REFINER = 6, 5
"""Numbers that are added to it: two for each of the original size, the crop and the target size; a
refiner has a score in the place of the target size."""

TEXT_ALONE = (None, "text_proj")
"""Values of `encoder_hid_dim_type` with which a U-Net reads the prompt alone."""

ADDED_TEXT = (None, "text")
"""Values of `addition_embed_type` with which it does, outside of XL."""

NEEDED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "addition_embed_type": {
        "text": (
            "add_embedding.norm1.weight",
            "add_embedding.pool.positional_embedding",
            "add_embedding.pool.q_proj.weight",
            "add_embedding.pool.k_proj.weight",
            "add_embedding.pool.v_proj.weight",
            "add_embedding.proj.weight",
            "add_embedding.norm2.weight",
        ),
        TEXT_TIME: ("add_embedding.linear_1.weight", "add_embedding.linear_2.weight"),
    },
    "encoder_hid_dim_type": {"text_proj": ("encoder_hid_proj.weight",)},
}
"""By setting and value: tensors that a U-Net reads what it asks for with."""


def missing_inputs(unet: Config, names: Collection[str]) -> Iterator[str]:
    """Inputs that a U-Net has by its settings, but not by its weights, with the remedy.

    Loading a model tells every tensor that is missing; these are known before.

    Args:
        names: of its tensors; none if they are not known.
    """
    if not names:
        return
    for key, values in NEEDED.items():
        needed = values.get(str(unet.get(key)), ())
        if lacks := [name for name in needed if name not in names]:
            yield (
                f"unet/ lacks {len(lacks)} of the {len(needed)} tensors that its {key} "
                f"{json.dumps(unet[key])} needs ({', '.join(lacks[:3])}): config.json and weights "
                "are of different models; copy unet/ again, both from one model"
            )


def unet_problems(family: str, config: Callable[[str], Config]) -> Iterator[str]:
    """Inputs of a U-Net that a run does not have, with the remedy.

    Args:
        config: the settings of a part by its name.
    """
    unet = config("unet")
    if not unet:
        return
    for key in ("class_embed_type", "num_class_embeds"):
        if unet.get(key) is not None:
            yield (
                f"unet/ is given a class or a level of noise beside the prompt ({key} is "
                f"{unet[key]}), as upscalers are; give the text-to-image model of its family"
            )
            break
    reads, added = unet.get("encoder_hid_dim_type"), unet.get("addition_embed_type")
    if reads not in TEXT_ALONE:
        yield (
            f"unet/ reads a picture beside the prompt (encoder_hid_dim_type is {reads}); give a "
            "text-to-image model"
        )
    if family == XL:
        yield from _xl_problems(unet, config("text_encoder_2"))
    elif added not in ADDED_TEXT:
        yield (
            f"unet/ is given more than the prompt (addition_embed_type is {added}), which a "
            f"{family} is not; copy unet/ again from the model"
        )


def _xl_problems(unet: Config, encoder: Config) -> Iterator[str]:
    """What is wrong with what a U-Net of XL adds to the time step.

    Args:
        encoder: settings of the second text encoder, which gives the pooled prompt.
    """
    added = unet.get("addition_embed_type")
    if added != TEXT_TIME:
        yield (
            f"the addition_embed_type in unet/config.json is {added}, but a {XL} has {TEXT_TIME}: "
            "it is the U-Net of another family; copy unet/ again from the model"
        )
        return
    pooled, each = encoder.get("projection_dim"), unet.get("addition_time_embed_dim")
    width = unet.get("projection_class_embeddings_input_dim")
    # What is not said cannot be compared.
    if not (isinstance(pooled, int) and isinstance(each, int) and isinstance(width, int)):
        return
    if width == pooled + SIZES_OF_REFINER * each:
        yield "unet/ is that of a refiner, which only finishes images; give the base model of XL"
    elif width != pooled + SIZES * each:
        yield (
            f"unet/ and text_encoder_2/ do not fit: projection_class_embeddings_input_dim is "
            f"{width}, but projection_dim and {SIZES} times addition_time_embed_dim are "
            f"{pooled + SIZES * each}; copy both from one model"
        )
