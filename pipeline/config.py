"""A run's settings: every key with its type, limits, default and meaning.

How they are read, checked and printed, and their former names: `pipeline.settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from muse.guidance.content_levels import LEVELS_FILE, UNKNOWN
from muse.method import Method
from muse.sizes import MAX_SIDE, Resize, Size
from pipeline.config_models import LATER, ModelSettings, acceptance_levels
from pipeline.config_sources import Sources
from pipeline.config_tables import Faults, Images

ANY_SIMILARITY = -1.0
"""The level that every image reaches."""


class Config(ModelSettings):
    """Everything that decides a run. Settings that do not change the bytes are in `PLACEMENT`."""

    allow_columns: bool = Field(
        False,
        description="Accept further columns of the manifest whose names resemble one of ours, as "
        "`emotions` or `caption`.",
    )
    min_confidence: float = Field(
        0.5, ge=0, le=1, description="The judge's confidence at which a sample is accepted."
    )
    min_similarity: float = Field(
        0.0,
        validate_default=True,
        ge=-1,
        le=1,
        description="Similarity of image and prompt at which a sample is accepted; -1 accepts any. "
        f"0: the level in `{LEVELS_FILE}` in the folder of `content_judge`, any if there is none.",
    )
    min_source_similarity: float = Field(
        0.0,
        validate_default=True,
        ge=-1,
        le=1,
        description="Similarity of an edit and its source image at which a sample is accepted, "
        "likewise.",
    )
    near_duplicates: int = Field(
        -1,
        ge=-1,
        le=64,
        description="Bits (of 64) of the perceptual hash by which a sample may differ from an "
        "earlier accepted one and still be rejected as its duplicate; -1 accepts duplicates.",
    )
    filters: Mapping[str, float] = Field(
        default_factory=dict,
        description="Lowest accepted score of further filters, by name "
        "(`pipeline.generation.scores`).",
    )
    filter_models: Mapping[str, str] = Field(
        default_factory=dict,
        description="`FOLDER:LABEL` for those of `filters` whose score is the probability that an "
        "image classifier (a folder or a hub id) gives to one of its labels.",
    )
    candidates: int = Field(
        1,
        ge=1,
        le=1024,
        description="Maximum tries of a request, each from another seed; the first accepted one "
        "ends them.",
    )
    quota: int = Field(
        0,
        ge=0,
        le=2**62,
        description="Maximum accepted samples of each cell; 0 for no limit. Later requests of a "
        "full cell are not made, or dropped if already in work.",
    )
    quota_by: str = Field(
        "emotion", description="What makes a cell: `emotion`, or another column of the manifest."
    )
    keep_rejected: bool = Field(
        False,
        description="Keep the images of rejected samples in `rejected/`, for lower thresholds "
        "later.",
    )
    batch_size: int = Field(
        8,
        ge=1,
        le=1024,
        description="Requests in a batch, the unit of work, of determinism and of durability.",
    )
    slots: int = Field(
        0,
        ge=0,
        le=1024,
        description="Requests of a batch in work at a time, which bounds the memory; 0 for all.",
    )
    shard_size: int = Field(1000, ge=1, le=1_000_000, description="Accepted samples in a shard.")
    limit: int = Field(
        0, ge=0, le=2**62, description="Only this many first requests of the plan; 0 for all."
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**63 - 1,
        description="Seed of the run, from which those of all requests derive.",
    )
    image_format: Literal["png", "jpg", "webp"] = Field(
        "png",
        description="`png` and `webp` are lossless; `jpg` has quality 95. A side has at most "
        "16,383 pixels in a `webp`, and 65,500 in a `jpg`.",
    )
    width: int = Field(
        0,
        ge=0,
        le=MAX_SIDE,
        description="Width of the images, pixels: a multiple of what `plan` names; 0 for the "
        "model's own size, and for an edit a size of about its area and of the photograph's "
        "aspect. The manifest's columns `width` and `height` go before.",
    )
    height: int = Field(
        0, validate_default=True, ge=0, le=MAX_SIDE, description="Height of the images, likewise."
    )
    resize: Resize = Field(
        "fit",
        description="How a photograph gets the size at which it is edited. `fit` scales it to the "
        "size of the nearest aspect and cuts off what is left over, `pad` repeats its edges "
        "instead, `stretch` scales width and height each by itself; `crop` takes the middle of it "
        "at the model's own size.",
    )
    restore_size: bool = Field(
        False,
        description="Put each edit back to the size of its photograph: what padded it is cut "
        "away, and what had been cut off lies around it as it was.",
    )
    threads: int = Field(
        1,
        ge=1,
        le=1024,
        description="CPU threads of each worker. Float sums depend on it, so it is part of the "
        "plan.",
    )
    report: bool = Field(
        True, description="Write `report.html` at the end, in about two seconds for a small corpus."
    )
    executor: Literal["ray", "local"] = Field(
        "ray", description="`ray`, or `local`: one worker in this process, for debugging."
    )
    workers: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Worker processes; 0 for one per GPU, or per core without a GPU.",
    )
    gpus_per_worker: float = Field(
        -1.0,
        ge=-1,
        le=1024,
        description="GPUs of each worker, also a fraction; 0 for the CPU, -1 for 1 where there is "
        "a GPU.",
    )
    gpu_hour_price: float = Field(
        0.0,
        ge=0,
        le=1_000_000,
        description="Of a GPU for an hour, in any currency, for the forecast of the cost; 0 if it "
        "is not known.",
    )
    max_gpu_hours: float = Field(
        0.0,
        ge=0,
        le=1_000_000_000,
        description="GPU-hours of all workers at which the run stops in order; 0 for no limit.",
    )
    max_cost: float = Field(
        0.0,
        ge=0,
        le=1_000_000_000,
        description="Cost of these at which it stops, by `gpu_hour_price`; 0 for no limit.",
    )
    tracking: Literal["none", "tensorboard", "wandb"] = Field(
        "none",
        description="Send progress to TensorBoard (files in `_state/tensorboard`) or to Weights & "
        "Biases.",
    )
    store_timeout_s: float = Field(
        120.0,
        ge=0,
        le=86_400,
        description="Seconds for which a failing call to an object store is repeated.",
    )
    address: str = Field(
        "", description="Address of a Ray cluster; empty starts Ray on this machine for the run."
    )
    label_selector: str = Field(
        "",
        description="Ray labels of the nodes to use, as in "
        "`ray.io/accelerator-type=A100,ray.io/market-type=spot`; empty for all nodes.",
    )
    request_timeout_s: float = Field(
        600.0,
        ge=0,
        le=1_000_000,
        description="Seconds that a request may take; a slower worker is considered hung. 0 for no "
        "limit.",
    )
    worker_start_timeout_s: float = Field(
        60.0,
        ge=1,
        le=86_400,
        description="Seconds that the cluster may take to place a first worker; five times as "
        "long once workers have their CPUs or GPUs and only load their code. Loading its models "
        "may take as long as a request, and at least this.",
    )
    method: Method = Field(default_factory=Method, description="The parameters of MUSE.")
    images: Images = Field(default_factory=Images, description="Limits of source images.")
    faults: SkipJsonSchema[Faults] = Field(default_factory=Faults)
    _sources: Sources = PrivateAttr(default_factory=Sources)

    def source_of(self, key: str) -> str:
        """What gave a setting, as a message begins: `--set`, `--config run.toml`; `settings` if
        that is not known."""
        return self._sources.of(key)

    def from_sources(self, sources: Sources) -> Self:
        """The same settings, with where they came from."""
        config = self.model_copy()
        config._sources = sources
        return config

    def replace(self, **changes: Any) -> Self:
        return super().replace(**changes).from_sources(self._sources)

    @property
    def size(self) -> Size | None:
        """Of the images, where the settings give one."""
        return Size(self.width, self.height) if self.width else None

    @field_validator("height")
    @classmethod
    def _has_width(cls, height: int, info: ValidationInfo) -> int:
        # A width that is wrong itself is reported.
        if "width" in info.data and bool(height) != bool(info.data["width"]):
            raise ValueError("width and height go together; give both, or neither")
        return height

    @field_validator("min_similarity", "min_source_similarity")
    @classmethod
    def _is_level(cls, least: float, info: ValidationInfo) -> float:
        """The level itself, so that `run.json` tells by which one images were accepted."""
        # What is wrong itself is reported.
        if least or not info.data.keys() >= {"engine", "content_judge", "similarity"}:
            return least
        content_judge = info.data["content_judge"] or info.data["similarity"]
        has_model = info.data["engine"] != "null"
        levels = acceptance_levels(content_judge) if has_model else UNKNOWN
        known = getattr(levels, str(info.field_name))
        return ANY_SIMILARITY if known is None else known

    @field_validator("max_cost")
    @classmethod
    def _has_price(cls, cost: float, info: ValidationInfo) -> float:
        if cost and not info.data.get("gpu_hour_price"):
            raise ValueError("max_cost needs gpu_hour_price, the price of a GPU for an hour")
        return cost

    @field_validator("filter_models")
    @classmethod
    def _have_thresholds(cls, models: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        for name, model in models.items():
            if not all(folder_and_label(model)):
                raise ValueError(
                    f"filter_models.{name} is {model!r}; write FOLDER:LABEL, the label of what is "
                    "to be accepted"
                )
            threshold = info.data.get("filters", {}).get(name)
            if threshold is None:
                raise ValueError(
                    f"filter_models.{name} has no threshold; set filters.{name}, from 0 (accepts "
                    "all, and stores the scores) to 1"
                )
            if not 0 <= threshold <= 1:
                raise ValueError(
                    f"filters.{name} is {threshold:g}; it is a probability: give one from 0 to 1"
                )
        return models


def folder_and_label(text: str) -> tuple[str, str]:
    """The two parts of a filter model's `FOLDER:LABEL`; one is empty if it is no such text."""
    folder, _, label = text.rpartition(":")
    return folder.strip(), label.strip()


HIDDEN = ("faults",)
"""Fields of `Config` that are no settings: users neither see nor set them."""

PLACEMENT = (
    "executor",
    "workers",
    "gpus_per_worker",
    "memory",
    "gpu_hour_price",
    "max_gpu_hours",
    "max_cost",
    "tracking",
    "store_timeout_s",
    "address",
    "label_selector",
    "request_timeout_s",
    "worker_start_timeout_s",
    "allow_columns",
    "limit",
    "report",
)
"""Settings that do not change the images: where a run computes, which columns it accepts, how many
of the plan's requests it makes, and whether it writes a report."""


def as_dict(config: Config) -> dict[str, Any]:
    """Plain data, as `run.json` stores it."""
    values = config.model_dump()
    faults = config.faults.model_dump(exclude_defaults=True)
    return {**_without(values, HIDDEN), **({"faults": faults} if faults else {})}


def fingerprint_settings(config: Config) -> dict[str, Any]:
    """The settings that decide the bytes."""
    # How long the null engine takes changes nothing either.
    quick = config.replace(faults=config.faults.replace(delay=0.0))
    # Runs that were begun before there was such a setting go on.
    unused = tuple(name for name in LATER if not getattr(config, name))
    return _without(as_dict(quick), PLACEMENT + unused)


def _without(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}
