"""HOW, what is optimised: emotional tokens, spliced into a prompt before the text encoder.

The tokens are a separate leaf tensor. The embedding table is never touched, so no optimiser can move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, groupby, islice

import torch
from torch import Tensor, nn

from muse.emotions import Target


def word_ids(tokenizer, text: str) -> list[int]:
    """Token ids of `text` without the marks of its start and end."""
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def shares(target: Target, count: int) -> list[tuple[str, ...]]:
    """The members of the target that each of `count` tokens speaks for, the heaviest first.

    A member of a mixture has tokens of its own, in proportion to its weight and one at least: a mean of two words
    is no word, and the encoder was trained on words. With fewer tokens than members, the last speaks for all that
    are left.
    """
    members = target.members
    if count < len(members):
        return [*((name,) for name in members[: count - 1]), members[count - 1 :]]
    due = [count * target.weights[target.taxonomy.index(name)] for name in members]
    given = [1] * len(members)
    for _ in range(count - len(members)):
        given[max(range(len(members)), key=lambda k: due[k] - given[k])] += 1
    return [(name,) for name, tokens in zip(members, given, strict=True) for _ in range(tokens)]


def open_slots(
    tokenizer, prompts: list[str], targets: list[Target], count: int, lead: str
) -> tuple[Tensor, Tensor]:
    """Ids (b, length) of `prompt lead V1 .. Vk`, and the places (b, k) of the V. `{emotion}` in the lead is named.

    The places hold ids of the emotions' words, each of the emotion that its token speaks for. A prompt too long is
    cut before the lead, never the tokens or the end marker.
    """
    length = tokenizer.model_max_length
    ids, places = [], []
    for prompt, target in zip(prompts, targets, strict=True):
        lead_ids = word_ids(tokenizer, lead.replace("{emotion}", target.words()))
        body = word_ids(tokenizer, prompt)[: length - 2 - len(lead_ids) - count]
        start = 1 + len(body) + len(lead_ids)
        row = [tokenizer.bos_token_id, *body, *lead_ids]
        for name, slots in groupby(names[0] for names in shares(target, count)):
            row.extend(islice(cycle(word_ids(tokenizer, name)), len(list(slots))))
        row.append(tokenizer.eos_token_id)
        ids.append(row + [tokenizer.pad_token_id] * (length - len(row)))
        places.append(list(range(start, start + count)))
    return torch.tensor(ids), torch.tensor(places)


def initial_tokens(tokenizer, table: nn.Embedding, targets: list[Target], count: int) -> Tensor:
    """Float32 (b, k, d): for each token the word of the emotion that it speaks for (see `shares`).

    Of a word of several pieces that is their mean; of several emotions the mean of their words, by weight. The method
    may start on the way to it (`initial_scale`): a word brings along what captions pair it with, contents too.
    """

    def word(name: str) -> Tensor:
        ids = torch.tensor(word_ids(tokenizer, name), device=table.weight.device)
        return table.weight[ids].detach().float().mean(0)

    rows = []
    for target in targets:
        weights = dict(zip(target.taxonomy.labels, target.weights, strict=True))
        slots = []
        for names in shares(target, count):
            mixed = torch.stack([weights[name] * word(name) for name in names]).sum(0)
            slots.append(mixed / sum(weights[name] for name in names))
        rows.append(torch.stack(slots))
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
