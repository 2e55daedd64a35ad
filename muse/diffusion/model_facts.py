"""What a method asks of a diffusion model that the model was not trained for, or does not read.

It is known from the model's name and settings. Runs tell it before they begin, `MusePipeline` when
it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muse.diffusion.files.hub import configs_of, family_of, is_single_file, local_file, local_model
from muse.diffusion.schedule.distilled import distilled_warnings
from muse.diffusion.schedule.scheduler_options import check_prediction
from muse.diffusion.schedule.unused_parameters import unused_parameters
from muse.method import Method


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a diffusion model without loading it.

    Attributes:
        name: as the user gave it.
        family: the class of its pipeline.
        network, scheduler: the settings of these parts, as its files have them; empty where they
            are not known.
        loras: the names of its LoRAs.
    """

    name: str
    family: str
    network: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    loras: Sequence[str] = ()

    @classmethod
    def of(cls, name: str, model: Path, loras: Sequence[str] = ()) -> ModelFacts:
        """
        Args:
            model: its folder or single file.

        Raises:
            ValueError: it is no model of a known family.
        """
        return cls(name, family_of(model), *configs_of(model), loras)

    @classmethod
    def named(cls, name: str | Path, loras: Sequence[str] = ()) -> ModelFacts:
        """Of a folder, a hub id or a single file that can be loaded.

        Raises: as `of`.
        """
        text = str(name)
        return cls.of(text, local_file(text) if is_single_file(text) else local_model(text), loras)

    def warnings(self, method: Method) -> list[str]:
        """A sentence for each thing that wastes time, spoils images or has no effect.

        Raises:
            ValueError: the method's sampler cannot run the model.
        """
        asked = distilled_warnings(self.name, method, self.network, self.scheduler, self.loras)
        return [*asked, *unused_parameters(method, self.family, self.network, self.scheduler)]

    def check(self, method: Method) -> None:
        """Refuse another `prediction_type` than the one in the model's folder.

        Raises:
            ValueError: with the model's own.
        """
        check_prediction(self.scheduler, method.scheduler)
