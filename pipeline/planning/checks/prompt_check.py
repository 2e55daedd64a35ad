"""Prompts that a model reads in part or not at all: too long ones, those with unknown words, and
negative ones without guidance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from manifests.schema import Row
from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.files.model_problems import folder_problems
from muse.diffusion.files.tokenizer_files import open_tokenizer
from muse.diffusion.prompt_lengths import prompt_lengths
from muse.diffusion.schedule.unused_parameters import FROM_ZERO, embeds_guidance
from muse.guidance.negative_prompts import NegativePrompts
from muse.guidance.prompt_frame import PromptReader, with_length
from muse.guidance.prompt_room import MAX_WORDS, PromptLengths
from pipeline.config import Config
from pipeline.config_models import draws_embedded
from pipeline.errors import UserError
from pipeline.models.roles import local_path
from pipeline.planning.checks.embedding_use import EmbeddingUse

MAX_WORDS_SHOWN = MAX_ROWS_SHOWN = 5
"""Words that a warning lists, and rows that have some."""


def unknown_words_by(model: str, engine: str) -> Callable[[str], list[str]] | None:
    """The words of a prompt that a model does not know; None where a model may know any."""
    if not draws_embedded(model, engine):
        return None
    from muse.mini.vocabulary import unknown_words

    return unknown_words


class PromptCheck:
    """Checks the prompts of the rows it is given. Only models on this machine are checked.

    Attributes:
        lengths: which prompts are cut, and by how many tokens.
        unknown: how many rows have words that the embedded model does not know.
        unknown_words: in how many rows a word is that the embedded model does not know; of so many
            different words at most as `MAX_WORDS`.
    """

    def __init__(self, config: Config, shown_by: str = ""):
        """
        Args:
            shown_by: the command that shows what is lost of prompts that are cut, where the
                warnings are to name it instead.
        """
        self.unknown = 0
        self._unknown_rows: list[int] = []
        self.unknown_words: Counter[str] = Counter()
        self._default = [{name: 1.0} for name in config.emotions]
        self._config = config
        folder = _sound_folder(config)
        self._embeddings = EmbeddingUse(config)
        readers = [] if folder is None else list(_readers(config, folder, self._embeddings))
        self.lengths = PromptLengths(readers, config.method, config.taxonomy, shown_by=shown_by)
        self._negatives: NegativePrompts | None = None
        if folder is not None:
            network = folder.config("unet") or folder.config("transformer")
            self._negatives = NegativePrompts(
                readers,
                config.method,
                config.taxonomy,
                embeds_guidance(folder.family, network),
                folder.family in FROM_ZERO,
                shown_by=shown_by,
            )
        self._unknown_words = unknown_words_by(config.model, config.engine)

    def add(self, row: Row) -> None:
        """Check the prompt of a row.

        Raises:
            UserError: not even the emotional tokens have room in what the model reads.
        """
        if self._negatives is not None:
            self._negatives.add(row.number, row.negative_prompt, row.image is not None)
        self._embeddings.add(row.prompt, row.negative_prompt)
        known = self._embeddings.left_out_of
        if self._unknown_words and (words := self._unknown_words(known(row.prompt))):
            self.unknown += 1
            if len(self._unknown_rows) < MAX_ROWS_SHOWN:
                self._unknown_rows.append(row.number)
            if len(self.unknown_words) < MAX_WORDS:
                self.unknown_words.update(words)
        try:
            self.lengths.add(row.number, row.prompt, row.emotions or self._default)
        except ValueError as error:
            raise UserError(f"--model {self._config.model!r}: {error}") from None

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the prompts, with the first rows of each kind."""
        warnings = [] if self.lengths.warning is None else [self.lengths.warning]
        if self.unknown:
            rows = ", ".join(map(str, self._unknown_rows))
            more = ", ..." if self.unknown > len(self._unknown_rows) else ""
            warnings.append(
                f"{self.unknown} row(s) have prompts with unknown words, which have no effect: "
                f"{_listed_words(self.unknown_words)} (rows {rows}{more}). "
                "`muse-batch manifest show` lists them, "
                "and what the embedded model knows; --model names another model"
            )
        negatives = () if self._negatives is None else self._negatives.warnings
        return [*warnings, *negatives, *self._embeddings.warnings]


def _listed_words(counts: Counter[str]) -> str:
    """The commonest words, each with the known one that may be meant, and how many more."""
    from muse.mini.vocabulary import with_nearest

    ranked = ranked_words(counts)
    listed = ", ".join(with_nearest(word) for word in ranked[:MAX_WORDS_SHOWN])
    more = len(ranked) - MAX_WORDS_SHOWN
    return listed + (f", and {more} more" if more > 0 else "")


def ranked_words(counts: Mapping[str, int]) -> list[str]:
    """Words, the commonest first."""
    return sorted(counts, key=lambda word: (-counts[word], word))


def _sound_folder(config: Config) -> ModelFolder | None:
    """The model's files, or those beside its single file; None if there are none on this machine,
    or wrong ones, of which `locate` says what is wrong."""
    if config.engine == "null":
        return None
    try:
        model: Path | None = local_path("model", config.model, download=False)
        if model is not None and model.is_file():
            model = configs_beside(model)
        folder = None if model is None else ModelFolder.read(model)
    except ValueError:
        return None
    return None if folder is None or any(folder_problems(folder)) else folder


def _readers(
    config: Config, folder: ModelFolder, embeddings: EmbeddingUse
) -> Iterator[PromptReader]:
    for read in prompt_lengths(folder):
        name = read.tokenizer
        if name in folder.parts and (folder.path / name).is_dir():
            try:
                tokenizer = open_tokenizer(folder, name)
            except ValueError as error:
                raise UserError(f"--model {config.model!r}: {error}") from None
            embeddings.add_to(tokenizer, folder.family, name)
            tokenizer = with_length(tokenizer, read.length or tokenizer.model_max_length)
            yield PromptReader(tokenizer, read.takes_tokens, read.whole)
