"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_type_hints

import typer

if TYPE_CHECKING:
    from pipeline.config import Config

Manifest = Annotated[
    str,
    typer.Argument(
        help="Parquet file (path or URL) with a prompt column; or a .txt with a prompt a line, a "
        ".csv, .tsv or .jsonl, or a folder of images with captions."
    ),
]
Corpus = Annotated[str, typer.Argument(help="Folder of a run (path or URL of an object store).")]
NewCorpus = Annotated[
    str, typer.Option("--output", "-o", help="Folder of the new corpus (path or URL).")
]
ConfigFile = Annotated[
    Optional[Path], typer.Option("--config", help="TOML file with any of the settings.")
]
Set = Annotated[
    Optional[list[str]],
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One setting, as in method.steps=30. May be repeated."
    ),
]
Engine = Annotated[Optional[str], typer.Option(help="muse, or null: images without a model.")]
Model = Annotated[
    Optional[str],
    typer.Option(
        help="Diffusion model (SD 1.x to 3, XL, FLUX.1, Z-Image): a diffusers folder, file or hub "
        "id; the embedded one by default."
    ),
]
Guide = Annotated[
    Optional[str], typer.Option(help="Classifier (folder or hub id) whose gradient guides.")
]
Judge = Annotated[
    Optional[str], typer.Option(help="Classifier (folder or hub id) that accepts samples.")
]
Workers = Annotated[
    Optional[int], typer.Option(help="Worker processes; one per GPU or core by default.")
]
GpusPerWorker = Annotated[
    Optional[float], typer.Option(help="GPUs of a worker, also a fraction; 0 for the CPU.")
]
Emotions = Annotated[
    Optional[str],
    typer.Option(help="Emotions of rows that name none, as awe,fear or all; all by default."),
]
AllowColumns = Annotated[
    bool,
    typer.Option("--allow-columns", help="Accept columns whose names resemble one of ours."),
]
MinConfidence = Annotated[
    Optional[float],
    typer.Option(help="The judge's confidence to accept a sample, in [0, 1]; 0.5 by default."),
]
Candidates = Annotated[
    Optional[int], typer.Option(help="Maximum tries of a request; 1 by default.")
]
Quota = Annotated[
    Optional[int], typer.Option(help="Maximum accepted samples of each emotion; any by default.")
]
ExecutorName = Annotated[
    Optional[str], typer.Option(help="ray, or local: one worker in this process, to debug.")
]
Price = Annotated[Optional[float], typer.Option("--price", help="Price of a GPU for an hour.")]
Address = Annotated[
    Optional[str], typer.Option(help="Address of a Ray cluster; this machine by default.")
]
Limit = Annotated[
    Optional[int], typer.Option(help="Only this many first requests; all by default.")
]
Seed = Annotated[Optional[int], typer.Option(help="Seed of the run; 0 by default.")]
BatchSize = Annotated[Optional[int], typer.Option(help="Requests in a batch; 8 by default.")]
ShardSize = Annotated[
    Optional[int], typer.Option(help="Accepted samples in a shard; 1,000 by default.")
]


OPTIONS: dict[str, Any] = {
    "engine": Engine,
    "model": Model,
    "guide": Guide,
    "judge": Judge,
    "emotions": Emotions,
    "allow_columns": AllowColumns,
    "min_confidence": MinConfidence,
    "candidates": Candidates,
    "quota": Quota,
    "executor": ExecutorName,
    "workers": Workers,
    "gpus_per_worker": GpusPerWorker,
    "gpu_hour_price": Price,
    "batch_size": BatchSize,
    "shard_size": ShardSize,
    "limit": Limit,
    "seed": Seed,
    "address": Address,
}
"""The options that are settings of a run, by the name of the setting."""

OF_MANIFESTS = ("model", "emotions", "allow_columns")
"""What commands on manifests take of them."""

OF_MODELS = ("model", "guide", "judge", "emotions", "allow_columns", "batch_size", "seed")
"""What a command with models takes, too."""


@dataclass(frozen=True)
class Given:
    """The settings that were given to a command.

    Attributes:
        flags: by the name of the setting; None where an option was not given.
    """

    flags: Mapping[str, Any]
    file: Path | None
    assignments: Sequence[str]

    def load(self) -> Config:
        """
        Raises:
            UserError: as `pipeline.settings.load_config`.
        """
        from pipeline.settings import load_config

        return load_config(self.file, self.assignments, self.flags)

    def replaced(self, values: Mapping[str, Any]) -> Given:
        """The same but for these settings, wherever they were given before."""
        flags = {name: values.get(name, value) for name, value in self.flags.items()}
        kept = [text for text in self.assignments if text.partition("=")[0].strip() not in values]
        others = [f"{name}={value}" for name, value in values.items() if name not in self.flags]
        return Given(flags, self.file, [*kept, *others])

    def words(self, *names: str, others: Sequence[str] = ()) -> list[str]:
        """The settings as words of a command line that takes the options `names`.

        Args:
            others: settings for which it takes no option, which are carried by `--set`.
        """
        from pipeline.settings.loading import as_written, flag_of

        words: list[str] = []
        for name in names:
            value = self.flags.get(name)
            if value is True:
                words.append(flag_of(name))
            elif value is not None:
                words += [flag_of(name), as_written(value)]
        for name in others:
            if (value := self.flags.get(name)) is not None:
                words += ["--set", f"{name}={value}"]
        if self.file is not None:
            words += ["--config", str(self.file)]
        for assignment in self.assignments:
            words += ["--set", assignment]
        return words


def takes_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options `names` of `OPTIONS`, `--config` and `--set`.

    The function gets them together, as its argument `given`.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        types: dict[str, Any] = {name: OPTIONS[name] for name in names}
        types |= {"config": ConfigFile, "set_": Set}

        @wraps(function)
        def command(**values: Any) -> None:
            found = {name: values.pop(name) for name in names}
            # Without the flag, a config file decides.
            found["allow_columns"] = found.get("allow_columns") or None
            if "emotions" in found:
                found["emotions"] = _listed(found["emotions"])
            given = Given(found, values.pop("config"), values.pop("set_") or [])
            function(**values, given=given)

        hints = get_type_hints(function, include_extras=True)
        own = [each for name, each in signature(function).parameters.items() if name != "given"]
        parameters = [each.replace(annotation=hints[each.name]) for each in own]
        for name, annotation in types.items():
            default = False if name == "allow_columns" else None
            parameters.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _listed(emotions: str | None) -> list[str] | None:
    """The names of `--emotions`. A text without any, such as an empty variable of a shell, is one
    empty name, which the settings refuse."""
    if emotions is None:
        return None
    return [part for part in emotions.split(",") if part.strip()] or [""]
