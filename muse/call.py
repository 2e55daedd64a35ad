"""The arguments of a call of `MusePipeline`, checked and turned into requests and a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from PIL import Image

from muse.emotions import Target, Taxonomy
from muse.images import to_tensor
from muse.masks import put_back_edit
from muse.method import Method, ParameterError
from muse.pictures import Picture, read_mask, read_picture, upright
from muse.request import Request
from muse.sizes import ModelSizes, Resize, Size

Emotion = str | Mapping[str, float] | Target
"""The name of an emotion, the weights of a mixture by name, or a target."""

Callback = Callable[[Any, int, int, dict[str, Any]], "dict[str, Any] | None"]
"""(pipeline, step, timestep, {"row", "latents"}) -> the latents to go on with, or None."""

EXPECTED: dict[str, tuple[tuple[type, ...], str]] = {
    "prompt": ((str,), "a text"),
    "emotion": ((str, Mapping, Target), 'a name ("awe") or a mixture ({"awe": 0.6, "fear": 0.4})'),
    "image": ((Image.Image, str, Path), "a PIL image or the path of an image file"),
    "mask_image": ((Image.Image, str, Path), "a PIL image or the path of an image file"),
    "negative_prompt": ((str,), "a text"),
    "generator": ((torch.Generator,), "a torch.Generator, as torch.Generator().manual_seed(0) is"),
}
"""For each argument that a call takes once or for each prompt: its types, and how to write it."""

ARGUMENTS = {"steps": "num_inference_steps", "edit_guidance_scale": "guidance_scale"}
"""Arguments of a call whose name differs from that of the method's parameter."""


def requests_of(
    prompt: str | Sequence[str],
    emotion: Emotion | Sequence[Emotion],
    image: Picture | Sequence[Picture] | None,
    negative_prompt: str | Sequence[str] | None,
    generator: torch.Generator | Sequence[torch.Generator] | None,
    taxonomy: Taxonomy,
    sizes: ModelSizes,
    size: Size | None = None,
    resize: Resize = "fit",
    count_each: int = 1,
    mask_image: Picture | Sequence[Picture] | None = None,
) -> list[Request]:
    """`count_each` requests for each prompt; see `muse.api.MusePipeline.__call__`.

    Args:
        sizes: of the model.
        size: of all images, one of these; None for the model's own, and for what `resize` gives an
            image to edit.
        count_each: at least 1; of one prompt they differ in their seeds.

    Raises:
        ValueError: if an argument has a wrong type or length, an emotion is unknown, or an image
            cannot be read.
    """
    if not (type(count_each) is int and count_each >= 1):
        raise ValueError(f"num_images_per_prompt is {count_each!r}; give a whole number from 1")
    prompts = [prompt] if isinstance(prompt, str) else _as_list("prompt", prompt)
    count = len(prompts)
    if count == 0:
        raise ValueError("prompt is an empty list; give at least one prompt")
    for position, text in enumerate(prompts):
        _check("prompt", text, position)
    emotions = _broadcast("emotion", emotion, count)
    images = [None] * count if image is None else _broadcast("image", image, count)
    if mask_image is not None and image is None:
        raise ValueError("mask_image is given without an image; give the image that it masks")
    masks: list[Any] = [None] * count
    if mask_image is not None:
        masks = _broadcast("mask_image", mask_image, count)
    negatives = [None] * count
    if negative_prompt is not None:
        negatives = _broadcast("negative_prompt", negative_prompt, count)
    generators = _generators(generator, count, count_each)
    requests = []
    for k in range(count):
        target, picture = _target(emotions[k], taxonomy), images[k]
        pixels, mask, wanted = None, None, size
        if picture is not None:
            fitted = read_picture(picture, sizes, size, resize)
            pixels, wanted = to_tensor(fitted.image), Size(*fitted.image.size)
            mask = None if masks[k] is None else read_mask(masks[k], fitted)
        for copy in range(count_each):
            seed = _seed(generators[k * count_each + copy])
            requests.append(Request(prompts[k], target, seed, negatives[k], pixels, wanted, mask))
    return requests


def wanted_size(height: int | None, width: int | None, sizes: ModelSizes) -> Size | None:
    """The size that a call asks for; None if it asks for none.

    Args:
        height, width: in pixels; the model's own where only one is given.

    Raises:
        ValueError: the model does not make it; the message names the nearest that it does.
    """
    if height is None and width is None:
        return None
    for name, value in (("height", height), ("width", width)):
        if value is not None and type(value) is not int:
            raise ValueError(f"{name} is {value!r}; give a whole number of pixels")
    size = Size(
        sizes.own.width if width is None else width,
        sizes.own.height if height is None else height,
    )
    if problem := sizes.size_problem(size):
        raise ValueError(problem)
    return size


def check_edit(image: Any, resize: str, restore_size: bool, **others: Any) -> None:
    """
    Args:
        others: further arguments of a call that are for edits; None where one is not given.

    Raises:
        ValueError: `resize` is none of those that exist, `restore_size` is no bool, or one of them
            is given without an image to edit.
    """
    if resize not in get_args(Resize):
        raise ValueError(f"resize is {resize!r}; choose {', '.join(get_args(Resize))}")
    if type(restore_size) is not bool:
        raise ValueError(f"restore_size is {restore_size!r}; give True or False")
    if image is not None:
        return
    given = [name for name, value in others.items() if value is not None]
    given += ["restore_size"] if restore_size else []
    # Its default is never meant for an image.
    given += ["resize"] if resize != "fit" else []
    if given:
        raise ValueError(f"{given[0]} is given without an image; give the image to edit")


def method_of(method: Method, **overrides: Any) -> Method:
    """The method with those parameters that a call has given, that is, those that are not None.

    Raises:
        ParameterError: one is out of its limits; the message has the name of the call's argument.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return method.replace(**given)
    except ParameterError as error:
        name = ARGUMENTS.get(error.name, error.name)
        raise ParameterError(name, error.problem) from None


def at_original_size(
    edited: Sequence[Image.Image | None],
    image: Picture | Sequence[Picture],
    mask_image: Picture | Sequence[Picture] | None,
    sizes: ModelSizes,
    size: Size | None,
    resize: Resize,
    count_each: int,
) -> list[Image.Image | None]:
    """The edits that a call has made, each at the size of its picture (see `muse.masks`).

    Args:
        edited: None where a request failed; for the rest see `requests_of`.
    """
    count = len(edited) // count_each
    pictures = _broadcast("image", image, count)
    masks = [None] * count if mask_image is None else _broadcast("mask_image", mask_image, count)
    restored: list[Image.Image | None] = []
    for number, made in enumerate(edited):
        picture, mask = pictures[number // count_each], masks[number // count_each]
        if made is None:
            restored.append(None)
            continue
        # Read again, because all pictures of a call would take much memory.
        original = upright(picture, "image")
        fitted = read_picture(picture, sizes, size, resize)
        over = None if mask is None else upright(mask, "mask_image")
        restored.append(put_back_edit(made, fitted, original, over))
    return restored


def check_callback(callback: Any) -> None:
    """
    Raises:
        ValueError: nothing that can be called.
    """
    if callback is not None and not callable(callback):
        raise ValueError(f"callback_on_step_end is {callback!r}; give a function")


def latents_of(returned: Any, own: torch.Tensor) -> torch.Tensor | None:
    """The latents (c, h, w) that a callback gave back for those of its image; None if it gave none.

    Args:
        own: those of its image (c, h, w).

    Raises:
        ValueError: it gave back something else.
    """
    if returned is None:
        return None
    if not isinstance(returned, Mapping):
        raise ValueError(
            f"callback_on_step_end returned {type(returned).__name__}; it should return None or a "
            'dict, {"latents": latents} to replace them'
        )
    latents = returned.get("latents")
    if latents is None:
        return None
    # Any other shape that torch can repeat would be, without a word.
    wanted = (1, *own.shape)
    if not isinstance(latents, torch.Tensor) or latents.shape != wanted:
        is_tensor = isinstance(latents, torch.Tensor)
        what = f"of shape {tuple(latents.shape)}" if is_tensor else f"{latents!r:.40}"
        raise ValueError(
            f"callback_on_step_end returned latents {what}; they should be a tensor of the shape "
            f"that it was given, {wanted}"
        )
    return latents[0]


def _generators(generator: Any, count: int, count_each: int) -> list[torch.Generator | None]:
    """A generator for each image of `count` prompts: one for all, for a prompt's, or its own."""
    images = count * count_each
    if generator is None:
        return [None] * images
    # As in diffusers: a list of that length has one for each image.
    if isinstance(generator, Sequence) and len(generator) == images:
        return _broadcast("generator", generator, images)
    each = _broadcast("generator", generator, count)
    return [each[image // count_each] for image in range(images)]


def _target(emotion: Emotion, taxonomy: Taxonomy) -> Target:
    """The target of an emotion in the guide's taxonomy."""
    if not isinstance(emotion, Target):
        return Target.of(emotion, taxonomy)
    if emotion.taxonomy != taxonomy:
        raise ValueError(
            f"the target {emotion.name!r} is of the taxonomy {emotion.taxonomy.name}, "
            f"but the guide has {taxonomy.name}; make it with Target.of(..., pipe.guide.taxonomy)"
        )
    return emotion


def _broadcast(name: str, value: Any, count: int) -> list[Any]:
    """`value` for each of `count` prompts: repeated if it is a single one."""
    types, _ = EXPECTED[name]
    if isinstance(value, types):
        return [value] * count
    values = _as_list(name, value)
    if len(values) != count:
        raise ValueError(
            f"{name} has {len(values)} entries for {count} prompts; give one, or one for each"
        )
    for position, item in enumerate(values):
        _check(name, item, position)
    return values


def _as_list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise ValueError(_wrong(name, value))
    return list(value)


def _check(name: str, item: Any, position: int) -> None:
    types, _ = EXPECTED[name]
    if not isinstance(item, types):
        raise ValueError(_wrong(f"{name}[{position}]", item))


def _wrong(name: str, value: Any) -> str:
    """The message for a value of a wrong type."""
    _, expected = EXPECTED[name.split("[")[0]]
    shown = (
        repr(value) if isinstance(value, (int, float, str, type(None))) else type(value).__name__
    )
    return f"{name} is {shown}; give {expected}, or a list with one for each prompt"


def _seed(generator: torch.Generator | None) -> int:
    """A seed in [0, 2^62) from the caller's generator, or as in diffusers from torch's own."""
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**62, (1,), generator=generator, device=device))
