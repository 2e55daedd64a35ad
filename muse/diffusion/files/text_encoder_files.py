"""Whether the text encoders of a model are those of its family, each with its tokenizer.

Their classes, settings and the names and shapes of their weights are read; nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from muse.diffusion.files.model_files import ModelFolder, read_json
from muse.diffusion.files.part_fit import Config, text_config
from muse.diffusion.files.part_weights import part_shapes
from muse.diffusion.files.tokenizer_files import (
    CLIP,
    length_of,
    length_problem,
    tokenizer_problems,
)


@dataclass(frozen=True)
class Encoder:
    """What marks the text encoders of a class.

    Attributes:
        model_type: how this setting of theirs begins.
        table: how the names of their word embeddings may end, of shape (words, width).
        width: the setting that has the width.
        also: how the name ends of a tensor that they need besides.
    """

    model_type: str
    table: tuple[str, ...]
    width: str
    also: str = ""


CLIP_TABLE = ("token_embedding.weight",)
QWEN3 = Encoder("qwen3", ("embed_tokens.weight",), "hidden_size")
ENCODERS = {
    "CLIPTextModel": Encoder("clip", CLIP_TABLE, "hidden_size"),
    "CLIPTextModelWithProjection": Encoder(
        "clip", CLIP_TABLE, "hidden_size", "text_projection.weight"
    ),
    "T5EncoderModel": Encoder("t5", ("shared.weight", "embed_tokens.weight"), "d_model"),
    "Qwen3Model": QWEN3,
    "Qwen3ForCausalLM": QWEN3,
}

CLIPS = ("CLIPTextModel", "CLIPTextModelWithProjection")
PROJECTED = ("CLIPTextModelWithProjection",)
FAMILY_CLASSES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "StableDiffusionPipeline": {"text_encoder": CLIPS},
    "StableDiffusionXLPipeline": {"text_encoder": CLIPS, "text_encoder_2": PROJECTED},
    "StableDiffusion3Pipeline": {
        "text_encoder": PROJECTED,
        "text_encoder_2": PROJECTED,
        "text_encoder_3": ("T5EncoderModel",),
    },
    "FluxPipeline": {"text_encoder": ("CLIPTextModel",), "text_encoder_2": ("T5EncoderModel",)},
    "ZImagePipeline": {"text_encoder": ("Qwen3Model", "Qwen3ForCausalLM")},
}
"""By family: the classes that its text encoders may have."""

CLIP_LENGTH = 77
"""Tokens that a CLIP reads if its settings do not say."""


def text_problems(folder: ModelFolder) -> Iterator[str]:
    """Why the text encoders and tokenizers of a model cannot serve: one line a problem, with the
    remedy. Folders and settings that are missing are left to others.
    """
    for part, classes in FAMILY_CLASSES[folder.family].items():
        if part in folder.parts and (folder.path / part).is_dir():
            yield from _encoder_problems(folder, part, classes)
            yield from _tokenizer_problems(folder, part)
    yield from _pair_problems(folder)
    first, second = (
        text_config(folder.config(part)) for part in ("text_encoder", "text_encoder_2")
    )
    if _are_swapped(first, second):
        yield (
            "text_encoder/ and text_encoder_2/ are in each other's place: the first is the larger "
            "CLIP, and the second the smaller, with quick_gelu; rename the two folders"
        )


def _pair_problems(folder: ModelFolder) -> Iterator[str]:
    """At most one: tokenizers of two CLIPs whose outputs are put side by side, token by token, but
    that pad prompts to different lengths.
    """
    pair = ("text_encoder", "text_encoder_2")
    if any(part not in folder.parts or folder.parts[part][1] not in CLIPS for part in pair):
        return
    names = [part.replace("text_encoder", "tokenizer") for part in pair]
    lengths = [length_of(folder.path / name) for name in names]
    if None not in lengths and lengths[0] != lengths[1]:
        yield (
            f"{names[0]}/ and {names[1]}/ do not fit: their model_max_length in "
            f"tokenizer_config.json is {lengths[0]} and {lengths[1]}; copy both again from one "
            "model"
        )


def _are_swapped(first: Config, second: Config) -> bool:
    """Whether two CLIPs are in each other's place: OpenAI's comes before the larger OpenCLIP."""
    acts = [config.get("hidden_act") for config in (first, second)]
    widths = [config.get("hidden_size") for config in (first, second)]
    known = [width for width in widths if isinstance(width, int)]
    return acts == ["gelu", "quick_gelu"] and len(known) == 2 and known[0] > known[1]


def _encoder_problems(folder: ModelFolder, part: str, classes: Sequence[str]) -> Iterator[str]:
    kind = folder.parts[part][1]
    if kind not in classes:
        yield (
            f"model_index.json gives {part} the class {kind}, but a {folder.family} has "
            f"{' or '.join(classes)} there; copy model_index.json again from the model"
        )
        return
    if not (folder.path / part / "config.json").exists():
        return
    try:
        config = read_json(folder.path / part / "config.json")
    except ValueError as error:
        yield str(error)
        return
    encoder, found = ENCODERS[kind], str(config.get("model_type") or "")
    if not found.startswith(encoder.model_type):
        said = f"is of the kind {found}" if found else "names no model_type"
        yield (
            f"{part}/config.json {said}, but belongs to a {kind}; copy it again from {part}/ of "
            "the model"
        )
    # Quantised weights have other names and shapes.
    elif config.get("quantization_config") is None:
        yield from _size_problems(part, part_shapes(folder, part), encoder, text_config(config))


def missing_weights(folder: ModelFolder) -> Iterator[str]:
    """Text encoders without a tensor by which their class is known: one line each, with the remedy.

    Loading a model tells every tensor that is missing; this is known before.
    """
    for part in FAMILY_CLASSES.get(folder.family, {}):
        kind = folder.parts[part][1] if part in folder.parts else ""
        # Quantised weights have other names.
        if kind not in ENCODERS or folder.config(part).get("quantization_config") is not None:
            continue
        shapes, encoder = part_shapes(folder, part), ENCODERS[kind]
        lacks = [
            ends[0]
            for ends in (encoder.table, (encoder.also,))
            if not any(name.endswith(ends) for name in shapes)
        ]
        # Damaged files and those that are missing are reported by themselves.
        if shapes and lacks:
            yield (
                f"{part}/ has the weights of another model: there is no {lacks[0]}, which its "
                f"class {kind} needs; copy {part}/ again from the model"
            )


def _size_problems(
    part: str, shapes: Mapping[str, Sequence[int]], encoder: Encoder, config: Config
) -> Iterator[str]:
    """Settings of a text encoder that its word embeddings do not have."""
    table = next((name for name in shapes if name.endswith(encoder.table)), None)
    keys = () if table is None else ("vocab_size", encoder.width)
    for key, size in zip(keys, shapes.get(table or "", ()), strict=False):
        said = config.get(key)
        if isinstance(said, int) and said != size:
            yield (
                f"{part}/config.json does not fit the weights beside it: {key} is {said}, but "
                f"{table} has {size}; copy {part}/ again from the model"
            )


def _tokenizer_problems(folder: ModelFolder, part: str) -> Iterator[str]:
    """What is wrong with the tokenizer of the text encoder in the folder `part`."""
    name = part.replace("text_encoder", "tokenizer")
    if name not in folder.parts:
        # Those that the family cannot do without are reported by themselves.
        if part == "text_encoder_3":
            yield (
                f"model_index.json names {part}, but no {name}: copy model_index.json again from "
                f"the model, or leave out {part} too, by [null, null]"
            )
        return
    if not (folder.path / name).is_dir():
        return
    kind, config = folder.parts[name][1], text_config(folder.config(part))
    is_clip = folder.parts[part][1] in CLIPS
    if is_clip and kind not in (CLIP, f"{CLIP}Fast"):
        yield (
            f"model_index.json gives {name} the class {kind}, but a CLIP's is {CLIP}; copy "
            "model_index.json again from the model"
        )
        return
    yield from tokenizer_problems(folder.path / name, kind, config)
    # Others are read to a length of the family's.
    if is_clip:
        longest = config.get("max_position_embeddings")
        longest = longest if isinstance(longest, int) else CLIP_LENGTH
        if problem := length_problem(folder.path / name, longest):
            yield problem
