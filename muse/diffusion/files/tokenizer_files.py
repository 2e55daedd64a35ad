"""Whether a tokenizer of a model has its vocabulary, and is that of the text encoder beside it.

transformers opens a tokenizer without a vocabulary all the same, and then knows no word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from muse.diffusion.files.model_files import ModelFolder, read_json

CLIP, T5, QWEN = "CLIPTokenizer", "T5Tokenizer", "Qwen2Tokenizer"
"""How the names of the classes begin that are known; those of older releases end in Fast."""

BYTE_PAIRS = (("tokenizer.json",), ("vocab.json", "merges.txt"))

VOCABULARIES: Mapping[str, Sequence[Sequence[str]]] = {
    CLIP: BYTE_PAIRS,
    QWEN: BYTE_PAIRS,
    T5: (("tokenizer.json",), ("spiece.model",)),
}
"""By class: the sets of files that hold a vocabulary, in the order in which transformers looks."""

ANY_VOCABULARY = (*BYTE_PAIRS, ("spiece.model",), ("tokenizer.model",), ("vocab.txt",))
"""The same for all other classes."""

ALGORITHMS = {CLIP: "BPE", QWEN: "BPE", T5: "Unigram"}
"""What tokenizer.json calls the algorithm of a class."""

SPECIAL_TOKENS = {
    CLIP: {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"},
    T5: {"eos_token": "</s>"},
}
"""Tokens that the settings of a class name and that prompts need, with their defaults."""

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
"""Settings that name a token. transformers adds those that are not in the vocabulary behind it."""

CHAT_TOKENS = ("<|im_start|>", "<|im_end|>")
"""Tokens around a message in the chat template of a language model."""

ENCODERS = {CLIP: "clip", T5: "t5"}
"""How the model_type of the text encoder begins that reads the end marker of a class."""

FIRST_CLIPS = 2
"""The end marker in the settings of the first CLIPs, which is wrong and not looked at: they take
the highest id of a prompt for it."""


def tokenizer_problems(part: Path, kind: str, encoder: Mapping[str, Any]) -> Iterator[str]:
    """Why a tokenizer cannot serve a text encoder: one line a problem, with the remedy.

    Args:
        part: its folder.
        kind: the name of its class.
        encoder: the settings of the text encoder.
    """
    known = next((name for name in VOCABULARIES if kind.startswith(name)), "")
    choices = VOCABULARIES.get(known, ANY_VOCABULARY)
    files = next((names for names in choices if all((part / n).is_file() for n in names)), None)
    if files is None:
        yield _without_vocabulary(part, choices)
        return
    try:
        settings = _settings(part)
        ids = _ids(part, files[0], ALGORITHMS.get(known))
    except ValueError as error:
        yield f"{part.name}/: {error}"
        return
    if known == QWEN:
        yield from _chat_problems(part, settings)
    # A model of SentencePiece is read by transformers alone.
    if ids is not None:
        ids |= _added(part, settings)
        yield from _fit_problems(part.name, known, ids, settings, encoder)


def length_of(part: Path) -> int | None:
    """The tokens that a tokenizer pads prompts to; None if its settings do not say."""
    try:
        length = _settings(part).get("model_max_length")
    except ValueError:
        return None
    return length if isinstance(length, int) else None


def length_problem(part: Path, longest: int) -> str | None:
    """Why a tokenizer does not say how many tokens its text encoder reads; None if it does.

    Args:
        longest: as many as the text encoder can read.
    """
    try:
        length = _settings(part).get("model_max_length")
    except ValueError:
        # Which `tokenizer_problems` says.
        return None
    if isinstance(length, int) and 2 < length <= longest:
        return None
    said = "is missing" if length is None else f"is {length}"
    return (
        f"{part.name}/: the model_max_length in tokenizer_config.json {said}, but the text encoder "
        f"reads {longest} tokens; copy the tokenizer again from the model, with all its files"
    )


def open_tokenizer(folder: ModelFolder, name: str) -> Any:
    """The tokenizer in the folder `name` of a model.

    Raises:
        ValueError: it cannot be read.
    """
    import transformers

    kind = folder.parts[name][1]
    try:
        opened = getattr(transformers, kind)
        return opened.from_pretrained(folder.path / name, local_files_only=True)
    except Exception as error:  # transformers and tokenizers raise many classes here
        raise ValueError(
            f"{name}/ cannot be read as a {kind}, as model_index.json names it ({error}); copy the "
            "tokenizer again from the model, with all its files"
        ) from None


def _without_vocabulary(part: Path, choices: Sequence[Sequence[str]]) -> str:
    wanted = ", or ".join(" and ".join(names) for names in choices)
    links = [
        path.name for path in sorted(part.glob("*")) if path.is_symlink() and not path.exists()
    ]
    seen = f"; {', '.join(links[:3])} is a link to a file that is not there" if links else ""
    return (
        f"{part.name}/ has no vocabulary ({wanted}){seen}: no word would be known; copy the "
        "tokenizer again from the model, with all its files"
    )


def _settings(part: Path) -> Mapping[str, Any]:
    """The settings of a tokenizer; empty if it has none.

    Raises:
        ValueError: they cannot be read.
    """
    file = part / "tokenizer_config.json"
    return read_json(file) if file.exists() else {}


def _ids(part: Path, name: str, algorithm: str | None) -> dict[str, int] | None:
    """The tokens of a vocabulary with their ids; None if the file is no JSON.

    Args:
        algorithm: of the tokenizer's class; None if it is not known.

    Raises:
        ValueError: the file is damaged, or of another algorithm.
    """
    if not name.endswith(".json"):
        return None
    content = read_json(part / name)
    if name == "vocab.json":
        return _numbered(content, name)
    model = content.get("model")
    if not isinstance(model, dict):
        raise ValueError(f"{name} has no table `model`; copy it again")
    found = model.get("type")
    if found is not None and algorithm is not None and found != algorithm:
        raise ValueError(
            f"{name} is of the kind {found}, but its class in model_index.json needs {algorithm}: "
            "it is the tokenizer of another model; copy it again from this one"
        )
    added = content.get("added_tokens") or []
    pairs = {token["content"]: token["id"] for token in added if isinstance(token, dict)}
    return _numbered(model.get("vocab"), name) | pairs


def _numbered(vocabulary: Any, name: str) -> dict[str, int]:
    """A vocabulary with its ids, which a list of pieces and scores gives by their places."""
    if isinstance(vocabulary, list):
        pieces = [piece[0] if isinstance(piece, list) else piece for piece in vocabulary]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise ValueError(f"{name} has an empty vocabulary; copy it again")
    if not all(isinstance(number, int) for number in vocabulary.values()):
        raise ValueError(f"{name} has tokens without a number; copy it again")
    return dict(vocabulary)


def _added(part: Path, settings: Mapping[str, Any]) -> dict[str, int]:
    """Tokens that files beside the vocabulary add to it, with their ids."""
    decoder = settings.get("added_tokens_decoder")
    tokens = decoder.items() if isinstance(decoder, dict) else ()
    ids = {_text(token): int(number) for number, token in tokens if number.isdecimal()}
    try:
        more = read_json(part / "added_tokens.json")
    except ValueError:
        more = {}
    return ids | {name: number for name, number in more.items() if isinstance(number, int)}


def _text(token: Any) -> str:
    """The text of a special token, which settings give alone or with how it is read."""
    return str(token.get("content") if isinstance(token, dict) else token)


def _chat_problems(part: Path, settings: Mapping[str, Any]) -> Iterator[str]:
    if not settings.get("chat_template") and not any(part.glob("chat_template*")):
        yield (
            f"{part.name}/ has no chat template (chat_template.jinja, or chat_template in "
            "tokenizer_config.json); copy the tokenizer again from the model, with all its files"
        )


def _fit_problems(
    name: str,
    kind: str,
    ids: Mapping[str, int],
    settings: Mapping[str, Any],
    encoder: Mapping[str, Any],
) -> Iterator[str]:
    """Tokens that the text encoder does not have, or reads as others.

    Args:
        name: of the tokenizer's folder.
        kind: the known beginning of its class; empty for others.
        ids: of its tokens.
    """
    remedy = "it is the tokenizer of another model; copy it again from this one"
    defaults = SPECIAL_TOKENS.get(kind, {})
    special = {key: _text(settings.get(key) or token) for key, token in defaults.items()}
    for token in (*special.values(), *(CHAT_TOKENS if kind == QWEN else ())):
        if token not in ids:
            yield f"{name}/: {token} is not in its vocabulary: {remedy}"
            return
    size, rows = max(ids.values()) + 1, encoder.get("vocab_size")
    if isinstance(rows, int) and size > rows:
        yield (
            f"{name}/ has {size} tokens, but the text encoder knows {rows} (vocab_size in its "
            f"config.json): {remedy}"
        )
        return
    named = [_text(settings[key]) for key in NAMED_TOKENS if settings.get(key)]
    unknown = sorted({*named} - {*ids})
    if unknown and isinstance(rows, int) and size + len(unknown) > rows:
        yield (
            f"{name}/: {', '.join(unknown)} in tokenizer_config.json is not in its vocabulary of "
            f"{size} tokens, and the text encoder knows no more than {rows}; copy the tokenizer "
            "again from the model, with all its files"
        )
        return
    end, expected = ids.get(special.get("eos_token", "")), encoder.get("eos_token_id")
    reads_end = str(encoder.get("model_type")).startswith(ENCODERS.get(kind, "no other"))
    if end is None or not reads_end or not isinstance(expected, int):
        return
    if kind == CLIP and expected == FIRST_CLIPS:
        # Their vocabularies end with the end marker, and fill the table of the encoder.
        expected = rows - 1 if isinstance(rows, int) and size < rows else end
    if end != expected:
        yield (
            f"{name}/: {special['eos_token']} has the id {end}, but the text encoder takes "
            f"{expected} for the end of a prompt: {remedy}"
        )
