"""A run's settings: every key, its meaning, its default and its limits. How they are read: `pipeline.settings`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from muse.emotions import MIKELS, Taxonomy
from muse.method import Method, within

RENAMED = {
    "method.iterations": "method.max_updates_per_step",
    "method.until": "method.guidance_end",
    "method.enough": "method.stop_confidence",
    "method.lead": "method.prompt_suffix",
}
"""Settings that had another name before: the old name, and the new one."""

EMBEDDED = "embedded"
"""Names the embedded model, or the embedded classifier of a role."""

FORMATS = ("png", "jpg", "webp")
DTYPES = ("float32", "bfloat16", "float16")

SAME_JUDGE = (
    "a judge that was optimised against confirms anything: give another classifier as --judge, "
    "or set allow_same_judge = true and do not believe its figures"
)

ENGINES = ("muse", "null")

EXECUTORS = ("ray", "local")

SEEDS, LADDER = "seeds", "ladder"
EFFORTS = (SEEDS, LADDER)


@dataclasses.dataclass(frozen=True)
class Null:
    """The null engine, which draws without a model (see `pipeline.generation.null_engine`).

    Attributes:
        delay: seconds that a request takes, [0, 3600].
        failures: share of the requests that fail, [0, 1]; which ones, their seeds decide.
        memory: requests drawn together at most, beyond which it runs out of memory; 0 for no limit.
        faults: heed the prompts that ask for a fault.
    """

    delay: float = 0.0
    failures: float = 0.0
    memory: int = 0
    faults: bool = False

    def __post_init__(self) -> None:
        within(self, {"delay": (0, 3600), "failures": (0, 1), "memory": (0, 1024)})


@dataclasses.dataclass(frozen=True)
class Images:
    """What source images may be: manifests are not trusted.

    Attributes:
        schemes: of the URLs that are opened; `file` stands for paths, too.
        private: whether http(s) may reach addresses that are not public (loopback, private, link-local).
        bytes: of one encoded image, at most.
        pixels: of one image, at most; told from its header, before it is decoded.
        seconds: to fetch one image by http(s), at most.
    """

    schemes: tuple[str, ...] = ("file", "http", "https", "s3", "gs", "hf")
    private: bool = False
    bytes: int = 64_000_000
    pixels: int = 64_000_000
    seconds: float = 60.0

    def __post_init__(self) -> None:
        within(self, {"bytes": (1, 2**31), "pixels": (1, 2**31), "seconds": (0.1, 86_400)})


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a run. What the bytes do not depend on is listed in `PLACEMENT`.

    Attributes:
        engine: `muse`, or `null`: images from the seed alone, for dry runs and tests.
        model: `embedded`, a local diffusers folder, a hub id, or a single `.safetensors` file, described by the
            folder of its name beside it, if there is one.
        guide, judge: `embedded`, a classifier folder or a hub id (see `muse.classifiers.spec`).
        allow_same_judge: let guide and judge be the same classifier; the judge's figures then prove nothing.
        similarity: `embedded`, a CLIP folder or a hub id.
        dtype: of the diffusion model's weights: `float32`, `bfloat16` or `float16`.
        vae: another VAE; empty for the model's own.
        preview: a tiny decoder for what the guide reads on the way; `full` for the VAE itself, empty for the one in
            the folder `preview/` of the model, if it has one. Its hash is then a part of the model's.
        preview_side: pixels across, to which what the guide reads on the way is shrunk; 0 leaves its size.
        compile: have torch compile the network as it is first used.
        lora: LoRA files, folders or hub ids, fused in this order; needs peft.
        taxonomy: the emotions that exist: `mikels-8`, `emotion6`, `artemis-9`, or a TOML file.
        label_map: for `guide` and `judge`, what labels of theirs mean that the taxonomy does not name, as in
            `[label_map.guide] happiness = "joy"`; "" leaves a label out.
        emotions: what a row without an emotion asks for; empty for all of the taxonomy.
        min_confidence: the judge's confidence in the target at which a sample is accepted, in [0, 1].
        min_similarity: of image and prompt, at which a sample is accepted, in [-1, 1].
        near_duplicates: bits of 64 by which a sample's look may differ from an earlier accepted one's and still be
            refused as its duplicate, in [0, 64]; -1 accepts duplicates.
        filters: the least score of further filters (see `pipeline.generation.scores`), by name.
        filter_models: `FOLDER:LABEL` for those of `filters` whose score is the probability that an image classifier,
            a folder or a hub id, gives a label of its own; the others are offered by installed packages.
        candidates: tries of a request at most, one after the other, until one is accepted.
        effort: what the later tries are: `seeds`, each with another seed; or `ladder`, for each emotion what proved
            cheaper on the first requests of the plan (see `pipeline.planning.retry_strategy`).
        quota: accepted samples wanted of each cell; 0 for as many as there are. Once a cell is full, in the order of
            the plan, its later requests are not made any more, or dropped if they were in work.
        quota_by: what makes a cell: `emotion`, or a further column of the manifest.
        keep_rejected: keep the images of rejected samples, in `rejected/`, for thresholds that are lowered later.
        batch_size: requests in a batch, the unit of work, of determinism and of durability.
        slots: requests of a batch on their way at a time, which bounds the memory; 0 for all.
        shard_size: accepted samples in a shard.
        limit: only the first so many requests of the manifest; 0 for all.
        seed: of the run; every request's own seed derives from it.
        image_format: `png`, `webp` (both lossless) or `jpg` (quality 95).
        threads: CPU threads of each worker. Float sums depend on it, so it is part of the plan.
        executor: where workers run: `ray`, as processes of a Ray cluster; or `local`, one worker in this process, for
            debugging.
        workers: worker processes; 0 for one per GPU, or per core without any.
        gpus_per_worker: GPUs of each worker; 0 runs on the CPU. -1 for 1 where there is a GPU.
        store_timeout_s: seconds for which one call to an object store is tried again.
        address: of a Ray cluster; empty starts one on this machine.
        nodes: Ray labels of the nodes to use, as in `ray.io/accelerator-type=A100,ray.io/market-type=spot`; empty
            for all.
        request_timeout_s: that a request may take; a worker that is slower is taken to hang. 0 for no limit.
        worker_start_timeout_s: that the cluster may take to give a first worker its place. Loading its models may take as long
            as a request, and at least this.
        method: the parameters of MUSE.
        images: what source images may be.
        null: of the null engine.
    """

    engine: str = "muse"
    model: str = EMBEDDED
    guide: str = EMBEDDED
    judge: str = EMBEDDED
    allow_same_judge: bool = False
    similarity: str = EMBEDDED
    dtype: str = "float32"
    vae: str = ""
    preview: str = ""
    preview_side: int = 0
    compile: bool = False
    lora: tuple[str, ...] = ()
    taxonomy: Taxonomy = MIKELS
    label_map: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    emotions: tuple[str, ...] = ()
    min_confidence: float = 0.5
    min_similarity: float = -1.0
    near_duplicates: int = -1
    filters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    filter_models: Mapping[str, str] = dataclasses.field(default_factory=dict)
    candidates: int = 1
    effort: str = SEEDS
    quota: int = 0
    quota_by: str = "emotion"
    keep_rejected: bool = False
    batch_size: int = 8
    slots: int = 0
    shard_size: int = 1000
    limit: int = 0
    seed: int = 0
    image_format: str = "png"
    threads: int = 1
    executor: str = "ray"
    workers: int = 0
    gpus_per_worker: float = -1.0
    store_timeout_s: float = 120.0
    address: str = ""
    nodes: str = ""
    request_timeout_s: float = 600.0
    worker_start_timeout_s: float = 60.0
    method: Method = dataclasses.field(default_factory=Method)
    images: Images = dataclasses.field(default_factory=Images)
    null: Null = dataclasses.field(default_factory=Null)

    def __post_init__(self) -> None:
        for name in self.emotions:
            self.taxonomy.index(name)
        object.__setattr__(self, "emotions", self.emotions or self.taxonomy.labels)
        if strange := sorted({*self.label_map} - {"guide", "judge"}):
            raise ValueError(
                f"label_map has {', '.join(strange)}; it has the tables guide and judge"
            )
        limits: dict[str, tuple[float, float]] = {
            "min_confidence": (0, 1),
            "min_similarity": (-1, 1),
            "near_duplicates": (-1, 64),
            "candidates": (1, 1024),
            "quota": (0, 2**62),
            "batch_size": (1, 1024),
            "slots": (0, 1024),
            "preview_side": (0, 65_536),
            "shard_size": (1, 1_000_000),
            "limit": (0, 2**62),
            "seed": (0, 2**63 - 1),
            "threads": (1, 1024),
            "workers": (0, 100_000),
            "gpus_per_worker": (-1, 1024),
            "store_timeout_s": (0, 86_400),
            "request_timeout_s": (0, 1_000_000),
            "worker_start_timeout_s": (1, 86_400),
        }
        within(self, limits)
        if self.engine not in ENGINES:
            raise ValueError(f"engine is {self.engine!r}; choose {', '.join(ENGINES)}")
        if self.executor not in EXECUTORS:
            raise ValueError(f"executor is {self.executor!r}; choose {', '.join(EXECUTORS)}")
        if self.effort not in EFFORTS:
            raise ValueError(f"effort is {self.effort!r}; choose {', '.join(EFFORTS)}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}; choose {', '.join(DTYPES)}")
        if self.image_format not in FORMATS:
            raise ValueError(f"image_format is {self.image_format!r}; choose {', '.join(FORMATS)}")
        if self.guide == self.judge != EMBEDDED and not self.allow_same_judge:
            raise ValueError(f"guide and judge are both {self.judge!r}; {SAME_JUDGE}")
        self._check_filters()

    def _check_filters(self) -> None:
        for name, least in self.filters.items():
            if math.isnan(least):
                raise ValueError(f"filters.{name} is nan, which refuses nothing; give a number")
        for name, told in self.filter_models.items():
            if not all(folder_and_label(told)):
                raise ValueError(
                    f"filter_models.{name} is {told!r}; write FOLDER:LABEL, the label of what is to be accepted"
                )
            if name not in self.filters:
                raise ValueError(
                    f"filter_models.{name} has no threshold; set filters.{name}, from 0 (accepts all, and stores the "
                    "scores) to 1"
                )
            if not 0 <= self.filters[name] <= 1:
                raise ValueError(
                    f"filters.{name} is {self.filters[name]:g}; it is a probability: give one from 0 to 1"
                )


def folder_and_label(told: str) -> tuple[str, str]:
    """The two parts of a filter model's `FOLDER:LABEL`; one is empty if it is no such text."""
    folder, _, label = told.rpartition(":")
    return folder.strip(), label.strip()


PLACEMENT = (
    "executor",
    "workers",
    "gpus_per_worker",
    "store_timeout_s",
    "address",
    "nodes",
    "request_timeout_s",
    "worker_start_timeout_s",
)
"""Settings that say where a run computes, not what."""


def as_dict(config: Config) -> dict[str, Any]:
    """Plain data, as `run.json` stores it."""
    return dataclasses.asdict(config)


def decisive(config: Config) -> dict[str, Any]:
    """The settings that decide the bytes."""
    return {key: value for key, value in as_dict(config).items() if key not in PLACEMENT}
