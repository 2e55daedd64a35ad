"""HOW, what is optimised: emotional tokens, spliced into a prompt before the text encoder.

The tokens are a separate leaf tensor. The embedding table is never touched, so no optimiser can move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from muse.emotions import Target


def word_ids(tokenizer, text: str) -> list[int]:
    """Token ids of `text` without the marks of its start and end."""
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def open_slots(tokenizer, prompts: list[str], targets: list[Target], count: int, lead: str) -> tuple[Tensor, Tensor]:
    """Ids (b, length) of `prompt lead V1 .. Vk`, and the places (b, k) of the V. `{emotion}` in the lead is named.

    The places hold the ids of the emotion's words. A prompt too long is cut before the lead, never the tokens or
    the end marker.
    """
    length = tokenizer.model_max_length
    ids, places = [], []
    for prompt, target in zip(prompts, targets, strict=True):
        words = word_ids(tokenizer, target.words())
        lead_ids = word_ids(tokenizer, lead.replace("{emotion}", target.words()))
        body = word_ids(tokenizer, prompt)[: length - 2 - len(lead_ids) - count]
        start = 1 + len(body) + len(lead_ids)
        row = [tokenizer.bos_token_id, *body, *lead_ids, *(words[i % len(words)] for i in range(count))]
        row.append(tokenizer.eos_token_id)
        ids.append(row + [tokenizer.pad_token_id] * (length - len(row)))
        places.append(list(range(start, start + count)))
    return torch.tensor(ids), torch.tensor(places)


def initial_tokens(tokenizer, table: nn.Embedding, targets: list[Target], count: int) -> Tensor:
    """Float32 (b, k, d): each token starts as the mean of the emotions' words, weighted as the target is."""
    rows = []
    for target in targets:
        vector = torch.zeros(table.embedding_dim, device=table.weight.device)
        for name in target.members:
            ids = torch.tensor(word_ids(tokenizer, name), device=table.weight.device)
            vector += target.weights[target.taxonomy.index(name)] * table.weight[ids].detach().float().mean(0)
        rows.append(vector.expand(count, -1))
    return torch.stack(rows)


@contextmanager
def spliced(table: nn.Embedding, places: Tensor, tokens: Tensor) -> Iterator[None]:
    """While inside, a forward through `table` of (b, length) ids yields `tokens` (b, k, d) at `places` (b, k)."""

    def replace(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        index = places.to(output.device)[..., None].expand(-1, -1, output.shape[-1])
        return output.scatter(1, index, tokens.to(output.dtype))

    handle = table.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
