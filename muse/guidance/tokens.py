"""HOW, what is optimised: emotional tokens, spliced into a prompt before the text encoder.

The tokens are a leaf tensor of their own. The embedding table is never changed, so that no
optimiser can move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, groupby, islice

import torch
from torch import Tensor, nn

from muse.emotions import Target
from muse.guidance.prompt_frame import (
    frame_of,
    is_chat,
    is_plain,
    vectors_of,
    with_all_vectors,
)


def word_ids(tokenizer, text: str) -> list[int]:
    """Token ids of `text` without the markers of its start and end."""
    plain = is_plain(tokenizer, text)
    # Of long texts transformers would warn, which are cut, or read in windows, by us.
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=plain, verbose=False)
    return with_all_vectors(tokenizer, ids.input_ids)


def padded_ids(tokenizer, prompts: Sequence[str], length: int | None = None) -> Tensor:
    """Ids of prompts without emotional tokens, cut and padded, int64 (b, length).

    Args:
        length: in tokens; by default the tokenizer's own.
    """
    rows = []
    for prompt in prompts:
        if vectors_of(tokenizer):
            rows.append(_framed_ids(tokenizer, prompt, length))
            continue
        read = tokenizer(
            prompt,
            padding="max_length",
            max_length=length,
            truncation=True,
            split_special_tokens=is_plain(tokenizer, prompt),
        )
        rows.append(read.input_ids)
    return torch.tensor(rows)


def _framed_ids(tokenizer, prompt: str, length: int | None) -> list[int]:
    """As `padded_ids`, of a prompt whose textual inversions may have several vectors: more ids than
    the tokenizer cuts and pads."""
    frame = frame_of(tokenizer)
    whole = length or frame.length
    room = whole - len(frame.head) - len(frame.tail)
    row = [*frame.head, *word_ids(tokenizer, prompt)[:room], *frame.tail]
    return row + [frame.pad] * (whole - len(row))


def name_ids(tokenizer, name: str) -> list[int]:
    """Token ids of an emotion's name within a sentence."""
    # A language model has other tokens for words that follow a space.
    return word_ids(tokenizer, f" {name}" if is_chat(tokenizer) else name)


def shares(target: Target, count: int) -> list[tuple[str, ...]]:
    """The members of the target that each of `count` tokens stands for, heaviest first.

    Each member of a mixture has tokens of its own, in proportion to its weight and at least one: a
    mean of two word embeddings is no word, and the encoder was trained on words. With fewer tokens
    than members the last token stands for all members that are left.
    """
    members = target.members
    if count < len(members):
        return [*((name,) for name in members[: count - 1]), members[count - 1 :]]
    due = [count * target.weights[target.taxonomy.index(name)] for name in members]
    tokens_of = [1] * len(members)
    # The tokens that are left go, one at a time, to the member that is farthest below its share.
    for _ in range(count - len(members)):
        tokens_of[max(range(len(members)), key=lambda k: due[k] - tokens_of[k])] += 1
    return [(name,) for name, tokens in zip(members, tokens_of, strict=True) for _ in range(tokens)]


def ids_with_tokens(
    tokenizer, prompts: list[str], targets: list[Target], count: int, prompt_suffix: str
) -> tuple[Tensor, Tensor]:
    """Token ids of `prompt prompt_suffix V1 .. Vk`, and the positions of the emotional tokens V.

    The positions hold ids of the emotions' words, each of the emotion that its token stands for
    (see `shares`). A prompt that is too long is cut before the suffix; suffix, tokens and end
    marker are never cut.

    Args:
        count: k, at least 1.
        prompt_suffix: text between prompt and tokens; `{emotion}` is replaced by the target's
            words.

    Raises:
        ValueError: the tokenizer's context has no room for suffix, tokens and markers.

    Returns:
        Ids int64 (b, length of the tokenizer's context), padded; positions int64 (b, k).
    """
    frame = frame_of(tokenizer)
    ids, positions = [], []
    for prompt, target in zip(prompts, targets, strict=True):
        suffix_ids, room = _suffix_and_room(tokenizer, target, count, prompt_suffix)
        prompt_ids = word_ids(tokenizer, frame.opening + prompt)[:room]
        row = [*frame.head, *prompt_ids, *suffix_ids]
        positions.append(list(range(len(row), len(row) + count)))
        row.extend([*emotion_ids(tokenizer, target, count), *frame.tail])
        ids.append(row + [frame.pad] * (frame.length - len(row)))
    return torch.tensor(ids), torch.tensor(positions)


def emotion_ids(tokenizer, target: Target, count: int) -> list[int]:
    """Ids of the emotions' words at the `count` positions of the emotional tokens."""
    ids: list[int] = []
    for name, group in groupby(names[0] for names in shares(target, count)):
        ids.extend(islice(cycle(name_ids(tokenizer, name)), len(list(group))))
    return ids


def lost_tokens(
    tokenizer, prompt: str, target: Target | None, count: int = 0, prompt_suffix: str = ""
) -> int:
    """How many tokens at the end of a prompt are not read; 0 if it fits.

    Args:
        target: of emotional tokens after the prompt, as `ids_with_tokens` appends them; None for a
            prompt without any, as negative ones are.

    Raises: as `ids_with_tokens`.
    """
    if target is None:
        room = plain_room(tokenizer)
    else:
        room = _suffix_and_room(tokenizer, target, count, prompt_suffix)[1]
    return max(0, len(word_ids(tokenizer, frame_of(tokenizer).opening + prompt)) - room)


def plain_room(tokenizer) -> int:
    """How many tokens are left to a prompt without emotional tokens."""
    frame = frame_of(tokenizer)
    # Of a message that is too long, what follows the prompt is cut first, as in diffusers.
    return frame.length - len(frame.head) if is_chat(tokenizer) else frame.room


def _suffix_and_room(
    tokenizer, target: Target, count: int, prompt_suffix: str
) -> tuple[list[int], int]:
    """Ids of the suffix, and how many are left to a prompt before it.

    Raises:
        ValueError: the encoder reads too few even for suffix, tokens and markers.
    """
    frame = frame_of(tokenizer)
    suffix_ids = word_ids(tokenizer, prompt_suffix.replace("{emotion}", target.words()))
    most = frame.room - len(suffix_ids)
    if most < count:
        raise ValueError(
            f"its text encoder reads {frame.length} tokens, too few for {count} emotional tokens "
            f"beside the {frame.length - frame.room} that mark a prompt and the "
            f"{len(suffix_ids)} of method.prompt_suffix; {_remedy(most, frame.room - count)}"
        )
    return suffix_ids, most - count


def _remedy(most_tokens: int, longest_suffix: int) -> str:
    """What to do where suffix and emotional tokens do not fit.

    Args:
        most_tokens: emotional tokens that fit beside the suffix.
        longest_suffix: tokens of a suffix that fits beside the emotional tokens.
    """
    remedies = []
    if most_tokens > 0:
        remedies.append(f"set method.tokens to {most_tokens} or less")
    if longest_suffix >= 0:
        remedies.append(f"shorten method.prompt_suffix to {longest_suffix} tokens or less")
    return ", or ".join(remedies) or "set fewer method.tokens, or give another model"


def initial_tokens(tokenizer, table: nn.Embedding, targets: list[Target], count: int) -> Tensor:
    """Tokens to start with, float32 (b, k, d): the word of the emotion that each stands for.

    For a word of several pieces it is the mean of their embeddings; for several emotions the mean
    of their words, by weight. The method may start between zero and these words (`initial_scale`):
    a word also carries what captions pair it with, contents included.
    """

    def word(name: str) -> Tensor:
        ids = torch.tensor(name_ids(tokenizer, name), device=table.weight.device)
        return table.weight[ids].detach().float().mean(0)

    rows = []
    for target in targets:
        weights = dict(zip(target.taxonomy.labels, target.weights, strict=True))
        tokens = []
        for names in shares(target, count):
            weighted = torch.stack([weights[name] * word(name) for name in names]).sum(0)
            tokens.append(weighted / sum(weights[name] for name in names))
        rows.append(torch.stack(tokens))
    return torch.stack(rows)


@contextmanager
def spliced(table: nn.Embedding, positions: Tensor, tokens: Tensor) -> Iterator[None]:
    """While open, embeddings of ids (b, length) hold `tokens` (b, k, d) at `positions` (b, k).

    The ids may come in windows (b * windows, length); positions then count through all of them.
    """

    def replace(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        index = positions.to(output.device)[..., None].expand(-1, -1, output.shape[-1])
        joined = output.reshape(len(tokens), -1, output.shape[-1])
        return joined.scatter(1, index, tokens.to(output.dtype)).view_as(output)

    handle = table.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
