"""Prompts that a model reads in part or not at all: too long ones, those with unknown words, and
negative ones without guidance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from manifests.schema import Row
from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.files.model_problems import folder_problems
from muse.diffusion.prompt_lengths import negative_prompts_without_effect, prompt_lengths
from muse.guidance.prompt_room import MAX_WORDS, PromptLengths
from pipeline.config import Config
from pipeline.config_models import draws_embedded
from pipeline.errors import UserError
from pipeline.models.roles import local_path

MAX_WORDS_SHOWN = 5
"""Words that a warning lists."""

FUNCTION_WORDS = frozenset(
    " ".join(
        (
            "a an the this that these those some any each every no not both all another other",
            "i me my we us our you your he him his she her it its they them their s t re ve ll d m",
            "who whom whose which what when where while why how as if than then so",
            "and or but nor yet though because",
            "of in on at to from by for with without into onto upon over under above below between",
            "among through across along around round behind beside near off out up down about",
            "against during before after toward towards within inside outside next",
            "is are was were be been being am has have had having do does did will would can could",
            "may might shall should must very too also just only there here",
        )
    ).split()
)
"""English words that a picture hardly depends on; none of them is called unknown."""


def unknown_words_by(model: str, engine: str) -> Callable[[str], list[str]] | None:
    """The words of a prompt that a model does not know, without `FUNCTION_WORDS`; None where a
    model may know any."""
    if not draws_embedded(model, engine):
        return None
    from muse.mini.vocabulary import unknown_words

    def that_matter(prompt: str) -> list[str]:
        return [word for word in unknown_words(prompt) if word not in FUNCTION_WORDS]

    return that_matter


class PromptCheck:
    """Checks the prompts of the rows it is given. Only models on this machine are checked.

    Attributes:
        lengths: which prompts are cut, and by how many tokens.
        unknown: how many rows have words that the embedded model does not know.
        unknown_words: in how many rows a word is that the embedded model does not know; of so many
            different words at most as `MAX_WORDS`.
    """

    def __init__(self, config: Config):
        self.unknown = 0
        self.unknown_words: Counter[str] = Counter()
        # In windows, no prompt is too long.
        cuts = config.method.long_prompts == "truncate"
        tokenizers = _tokenizers(config) if cuts else ()
        self.lengths = PromptLengths(tokenizers, config.method, config.taxonomy)
        self._default = [{name: 1.0} for name in config.emotions]
        self._config = config
        # Rows with negative prompts, by whether they are edits.
        self._negative: Counter[bool] = Counter()
        self._unknown_words = unknown_words_by(config.model, config.engine)

    def add(self, row: Row) -> None:
        """Check the prompt of a row.

        Raises:
            UserError: not even the emotional tokens have room in what the model reads.
        """
        self._negative[row.image is not None] += bool(row.negative_prompt)
        if self._unknown_words and (words := self._unknown_words(row.prompt)):
            self.unknown += 1
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
            warnings.append(
                f"{self.unknown} prompt(s) have unknown words, which have no effect: "
                f"{_listed_words(self.unknown_words)}. `muse-batch manifest show` lists them, "
                "and what the embedded model knows; --model names another model"
            )
        return [*warnings, *self._negative_warnings()]

    def _negative_warnings(self) -> Iterator[str]:
        folder = _model_folder(self._config) if self._negative.total() else None
        if folder is None:
            return
        for editing, count in sorted(self._negative.items()):
            why = negative_prompts_without_effect(folder, self._config.method, editing)
            if count and why:
                yield f"the negative prompts of {count} row(s) have no effect with {why}"


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


def _model_folder(config: Config) -> ModelFolder | None:
    """The model's files; None if it is no folder on this machine."""
    if config.engine == "null":
        return None
    try:
        model = local_path("model", config.model, download=False)
        return None if model.is_file() else ModelFolder.read(model)
    except ValueError:
        # Not on this machine yet, or wrong, which `locate` says.
        return None


def _tokenizers(config: Config) -> Iterator[Any]:
    folder = _model_folder(config)
    # What is wrong with a model's files, `locate` says.
    if folder is None or any(folder_problems(folder)):
        return
    for name, length in prompt_lengths(folder).items():
        if name in folder.parts and (folder.path / name).is_dir():
            from muse.guidance.prompt_frame import with_length

            tokenizer = _opened(config, folder, name)
            yield with_length(tokenizer, length or tokenizer.model_max_length)


def _opened(config: Config, folder: ModelFolder, name: str) -> Any:
    """The tokenizer in the folder `name` of a model.

    Raises:
        UserError: it cannot be read.
    """
    import transformers

    kind = folder.parts[name][1]
    try:
        opened = getattr(transformers, kind)
        return opened.from_pretrained(folder.path / name, local_files_only=True)
    except Exception as error:  # transformers and tokenizers raise many classes here
        raise UserError(
            f"--model {config.model!r}: {name}/ cannot be read as a {kind}, as model_index.json "
            f"names it ({error}); copy the tokenizer again from the model, with all its files"
        ) from None
