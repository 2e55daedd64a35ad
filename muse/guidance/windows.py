"""Long prompts in windows: what a text encoder cannot read at once, it reads piece by piece.

A CLIP reads 75 tokens between its markers. As common programs do (AUTOMATIC1111, compel, diffusers'
long-prompt-weighting pipelines), each window is encoded by itself, and the outputs are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from muse.emotions import Target
from muse.guidance.timing import may_start
from muse.guidance.tokens import emotion_ids, word_ids
from muse.method import Method
from muse.request import Request

NO_WINDOWS = (
    'method.long_prompts = "chunk" is for models that read prompts with CLIP alone (Stable '
    "Diffusion 1.x, 2.x and XL); this one has another encoder for longer prompts"
)

Window = list[int]
"""Ids of the tokens between the markers of start and end."""


def plain_windows(tokenizer, prompt: str) -> list[Window]:
    """The windows of a prompt; a single empty one for an empty prompt."""
    ids, room = word_ids(tokenizer, prompt), tokenizer.model_max_length - 2
    return [ids[start : start + room] for start in range(0, max(1, len(ids)), room)]


def windows_with_tokens(
    tokenizer, prompt: str, target: Target, count: int, prompt_suffix: str
) -> tuple[list[Window], int]:
    """The windows of `prompt prompt_suffix V1 .. Vk`, and the position of V1 in all ids.

    Suffix and emotional tokens stay together in the last window (see
    `muse.guidance.tokens.ids_with_tokens`).
    """
    length = tokenizer.model_max_length
    suffix = word_ids(tokenizer, prompt_suffix.replace("{emotion}", target.words()))
    tail = [*suffix, *emotion_ids(tokenizer, target, count)]
    windows = plain_windows(tokenizer, prompt)
    if len(windows[-1]) + len(tail) > length - 2:
        windows.append([])
    first = length * (len(windows) - 1) + 1 + len(windows[-1]) + len(suffix)
    windows[-1] = windows[-1] + tail
    return windows, first


def joined_ids(tokenizer, rows: Sequence[Sequence[Window]], count: int) -> Tensor:
    """Ids int64 (b, count * length of the tokenizer's context) of the windows of each row.

    Each window has its markers and is padded; rows of fewer windows have empty ones at their ends.
    """
    length = tokenizer.model_max_length
    joined = []
    for windows in rows:
        ids: list[int] = []
        for window in (*windows, *([[]] * (count - len(windows)))):
            marked = [tokenizer.bos_token_id, *window, tokenizer.eos_token_id]
            ids += marked + [tokenizer.pad_token_id] * (length - len(marked))
        joined.append(ids)
    return torch.tensor(joined)


def windows_of(
    method: Method, tokenizers: Sequence[Any], requests: Sequence[Request]
) -> list[int] | None:
    """In how many windows the prompts of each request are read; None if long ones are cut.

    Prompt and negative prompt are read in the same number, since classifier-free guidance takes
    both in one pass: that of the longer one.

    Args:
        requests: without negative prompts that nothing reads.
    """
    if method.long_prompts == "truncate":
        return None
    return [_needed(method, tokenizers, request) for request in requests]


def _needed(method: Method, tokenizers: Sequence[Any], request: Request) -> int:
    """As many windows as the longest of a request's prompts has, under any tokenizer."""
    count, suffix, has_tokens = method.tokens, method.prompt_suffix, may_start(method)
    needed = 1
    for tokenizer in tokenizers:
        for prompt in (request.prompt, request.negative_prompt or ""):
            needed = max(needed, len(plain_windows(tokenizer, prompt)))
        if has_tokens:
            target = request.target
            opened, _ = windows_with_tokens(tokenizer, request.prompt, target, count, suffix)
            needed = max(needed, len(opened))
    return needed
