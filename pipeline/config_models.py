"""The settings of a run that name its models, and the emotions that they work with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

import muse.mini
from muse.emotions import MIKELS
from muse.emotions.taxonomy import clean
from muse.guidance.content_levels import ContentLevels
from muse.method import Settings
from pipeline.config_tables import TaxonomySetting, Texts

EMBEDDED = "embedded"
"""Names the embedded model, or the embedded classifier of a role."""

ALL = "all"
"""Names all emotions of the taxonomy, unless it has one of that name."""

SAME_JUDGE = (
    "a judge that was optimised against confirms anything: give another classifier as --judge, "
    "or set allow_same_judge = true and do not rely on its figures"
)


STILL_TAKEN: Mapping[str, Mapping[bool, str]] = {"compile": {True: "on", False: "off"}}
"""By setting: former values that are still taken, and what they are called now."""


LATER = ("content_judge", "embedding", "fitted_tokens")
"""Settings that earlier runs did not have, and that change nothing while they are empty."""


NO_LONGER: Mapping[str, Any] = {"retry_strategy": "reseed"}
"""Settings that earlier runs had, and what all runs do now."""


def current_value(name: str, value: Any) -> Any:
    """A value of a setting as it is called now; most always were."""
    known = STILL_TAKEN.get(name)
    return known[value] if known is not None and isinstance(value, bool) else value


def with_current_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an older run with their values as they are called now.

    One that is gone stays where it asks for what is gone.
    """
    current = {name: current_value(name, value) for name, value in config.items()}
    return {
        name: value for name, value in current.items() if (name, value) not in NO_LONGER.items()
    }


def acceptance_levels(content_judge: str) -> ContentLevels:
    """The levels in the folder of a CLIP that judges content; unknown for a hub id.

    Raises:
        ValueError: they cannot be read.
    """
    embedded = muse.mini.WEIGHTS / muse.mini.CONTENT_JUDGE
    return ContentLevels.read(
        embedded if content_judge == EMBEDDED else Path(content_judge).expanduser()
    )


def draws_embedded(model: str, engine: str) -> bool:
    """Whether the embedded model makes the images, by the settings of these names."""
    return model == EMBEDDED and engine != "null"


class ModelSettings(Settings):
    """Which models make, guide and judge the images; the first part of `pipeline.config.Config`."""

    engine: Literal["muse", "null"] = Field(
        "muse", description="`muse`, or `null`: images without a model, for dry runs."
    )
    model: str = Field(
        EMBEDDED,
        description="Diffusion model: `embedded`, a local diffusers folder, a hub id, or a single "
        "`.safetensors` file, described by the folder of its name beside it, if there is one.",
    )
    guide: str = Field(
        EMBEDDED,
        description="Classifier whose gradient guides: `embedded`, a classifier folder or a hub "
        "id.",
    )
    allow_same_judge: bool = Field(
        False,
        description="Let guide and judge be the same classifier; the judge's figures then prove "
        "nothing.",
    )
    judge: str = Field(
        EMBEDDED,
        description="Classifier that accepts samples: `embedded`, a classifier folder or a hub id.",
    )
    similarity: str = Field(
        EMBEDDED,
        description="CLIP model that keeps the content while an image is optimised, and says when "
        "guidance begins: `embedded`, a folder or a hub id.",
    )
    content_judge: str = Field(
        "",
        description="CLIP model that judges whether an image shows its prompt, and an edit its "
        "source image: a folder or a hub id; empty for that of `similarity`, or with its embedded "
        "one for another embedded one.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Data type of the diffusion model's weights; `auto`: bfloat16 on a GPU that "
        "computes in it, else float32.",
    )
    memory: Literal["auto", "high", "medium", "low"] = Field(
        "auto",
        description="Memory that the diffusion model may take. `medium` computes parts of it twice "
        "instead of keeping them; `low` also keeps the T5 of Stable Diffusion 3 off the GPU while "
        "no prompt is read; `auto`: what the GPU has room for. The images are the same.",
    )
    vae: str = Field(
        "", description="Another VAE: a folder, a hub id or a file; empty for the model's."
    )
    tiny_vae: str = Field(
        "",
        description="Tiny decoder (TAESD family) that shows predictions to the guide: a folder or "
        "a hub id; `none` for the VAE itself; empty for the model's own, in its folder "
        "`tiny_vae/`, or one of its kind (`taesd`, `taesdxl`, `taesd3`, `taef1`): a folder of that "
        "name beside the model, or one in the hub's local cache.",
    )
    clip_skip: int = Field(
        0,
        ge=0,
        le=11,
        description="Last layers of the CLIP text encoders that are left out, as diffusers counts.",
    )
    vae_tiling: bool = Field(
        False,
        description="Have the VAE encode and decode images that are larger than those of its "
        "training in overlapping tiles, as diffusers' `enable_tiling`: the memory for it stays "
        "that of a tile, and pixels change a little.",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Have torch compile the blocks that the network repeats, on first use; rows "
        "are then padded to 1, 2, 4, 8, 16 or a multiple of 32, and results equal to rounding. "
        "`auto`: on a GPU, in runs of 500,000 denoising steps or more (10,000 images of 50 steps) "
        "whose images are all of one size. `true` and `false` mean `on` and `off`. With `auto`, "
        "a run that began with one of these is resumed with it.",
    )
    lora: Texts = Field(
        (),
        description="LoRA files, folders or hub ids, fused in this order; needs peft. A strength "
        "other than 1 follows after a colon, as in `style.safetensors:0.8`.",
    )
    embedding: Texts = Field(
        (),
        description="Textual inversions: files, folders or hub ids. The token that stands for one "
        "in prompts follows after a colon, as in `cat.safetensors:<cat>`; without it, the one that "
        "the file names.",
    )
    fitted_tokens: str = Field(
        "",
        description="Emotional tokens to start from, which `muse-batch tokens fit` has made for "
        "this model: a file; `none` for the words of the emotions; empty for "
        "`fitted_tokens.safetensors` in the model's folder, if there is one.",
    )
    taxonomy: TaxonomySetting = Field(
        MIKELS,
        description="The emotions that exist: `mikels-8`, `emotion6`, `artemis-9`, a TOML file, or "
        "a table.",
    )
    label_map: Mapping[str, Mapping[str, str]] = Field(
        default_factory=dict,
        description="Emotions of labels of `guide` and `judge` that are not in the taxonomy, as "
        'in `[label_map.guide] happiness = "joy"`; an empty text drops the label.',
    )
    emotions: Texts = Field(
        (),
        validate_default=True,
        description="Emotions of a row that names none; empty or `all` for all of the taxonomy.",
    )

    @property
    def own_content_judge(self) -> str | None:
        """The name of the CLIP that judges content; None where the one that steers does so."""
        name = self.content_judge or self.similarity
        return name if name == EMBEDDED or name != self.similarity else None

    @property
    def draws_embedded(self) -> bool:
        """Whether the embedded model makes the images."""
        return draws_embedded(self.model, self.engine)

    @field_validator("tiny_vae")
    @classmethod
    def _is_no_former_value(cls, tiny_vae: str) -> str:
        if tiny_vae == "full":
            raise ValueError('tiny_vae = "full" is now "none"')
        return tiny_vae

    @field_validator("model", "guide", "judge", "similarity")
    @classmethod
    def _has_name(cls, name: str, info: ValidationInfo) -> str:
        if not name.strip():
            raise ValueError(f"{info.field_name} is empty; give a folder, a hub id or {EMBEDDED}")
        return name

    @field_validator("lora", "embedding")
    @classmethod
    def _have_names(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not all(names):
            raise ValueError(
                f"{info.field_name}: one of the list is empty; give a file, folder or hub id"
            )
        return names

    @field_validator("compile", mode="before")
    @classmethod
    def _may_be_true_or_false(cls, compiled: Any) -> Any:
        return current_value("compile", compiled)

    @field_validator("judge")
    @classmethod
    def _differs_from_guide(cls, judge: str, info: ValidationInfo) -> str:
        same = info.data.get("guide") == judge != EMBEDDED
        if same and not info.data.get("allow_same_judge"):
            raise ValueError(f"guide and judge are both {judge!r}; {SAME_JUDGE}")
        return judge

    @field_validator("label_map")
    @classmethod
    def _maps_known_roles(cls, label_map: Mapping[str, Any]) -> Mapping[str, Any]:
        if unknown := sorted({*label_map} - {"guide", "judge"}):
            raise ValueError(
                f"label_map has {', '.join(unknown)}; it has the tables guide and judge"
            )
        return label_map

    @field_validator("emotions")
    @classmethod
    def _are_known(cls, emotions: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """As the taxonomy writes them; all of it for none, or for `all`."""
        taxonomy = info.data.get("taxonomy")
        if taxonomy is None:  # it is wrong itself, which is reported
            return emotions
        if ALL in map(clean, emotions) and ALL not in taxonomy.labels:
            if len(emotions) > 1:
                raise ValueError(
                    "emotions: all is every emotion; give it alone, or only the others"
                )
            return tuple(taxonomy.labels)
        if not all(emotions):
            raise ValueError("emotions: one is empty; name them, as in awe,fear, or give all")
        labels = tuple(taxonomy.labels[taxonomy.index(name)] for name in emotions)
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"emotions names {label!r} twice; name it once")
        return labels or taxonomy.labels
