"""`MusePipeline`: the method for one's own scripts, in the conventions of diffusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from muse.call import (
    Callback,
    Emotion,
    at_original_size,
    check_callback,
    check_edit,
    latents_of,
    method_of,
    requests_of,
    wanted_size,
)
from muse.classifiers import EmotionClassifier, load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import as_names, load_backbone
from muse.diffusion.backbones.base import Backbone, move
from muse.diffusion.devices import AUTO, dtype_name
from muse.diffusion.live_memory import bytes_of
from muse.diffusion.memory import ENOUGH_ROWS, Room, device_bytes, fit
from muse.diffusion.model_facts import ModelFacts
from muse.diffusion.schedule.sampler import Schedule
from muse.emotions import MIKELS, Taxonomy
from muse.engine.engine import MuseEngine
from muse.engine.phases import OnStep
from muse.engine.row import Row
from muse.loading import (
    check_arguments,
    loaded,
    tell_of_judge,
    tell_of_method,
    tell_of_requests,
    tell_of_words,
    usable_device,
)
from muse.method import Method
from muse.mini import WEIGHTS
from muse.output import MuseOutput, output_of
from muse.pictures import Picture
from muse.request import Request, Sample
from muse.sizes import Resize, by_size


class MusePipeline:
    """Generates and edits images toward an emotion with a frozen diffusion model.

    Args:
        method: every parameter that a call does not name; the defaults if it is None.
        slots: images on their way at a time, which bounds the memory; 0 for all of a call.
        judge: a classifier that takes no part in the making, and scores the images; of the guide's
            taxonomy. One with the guide's weights is warned of: it confirms anything.

    Raises:
        ValueError: if the judge has other emotions than the guide.
    """

    def __init__(
        self,
        backbone: Backbone,
        guide: EmotionClassifier,
        clip: ClipSimilarity,
        method: Method | None = None,
        slots: int = 0,
        judge: EmotionClassifier | None = None,
    ):
        if judge is not None and judge.taxonomy != guide.taxonomy:
            raise ValueError(
                f"the judge has the emotions of {judge.taxonomy.name}, the guide those of "
                f"{guide.taxonomy.name}; both need the same"
            )
        if not isinstance(method, Method | None):
            raise TypeError(f"method is a {type(method).__name__}; give Method(steps=30) or None")
        tell_of_judge(guide, judge)
        self.backbone, self.guide, self.clip, self.judge = backbone, guide, clip, judge
        self.method, self.slots = method or Method(), slots
        self._progress: dict[str, Any] = {}
        self._facts: ModelFacts | None = None
        self._is_embedded = False

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = WEIGHTS / "diffusion",
        guide: str | Path = WEIGHTS / "guide",
        clip: str | Path = WEIGHTS / "clip",
        judge: str | Path | None = None,
        device: str | torch.device | None = None,
        method: Method | None = None,
        slots: int = 0,
        taxonomy: Taxonomy = MIKELS,
        label_map: Mapping[str, str] | None = None,
        dtype: str | torch.dtype = AUTO,
        memory: str = AUTO,
        **backbone: Any,
    ) -> MusePipeline:
        """Load from folders or hub ids (the diffusion model also from a single file).

        Without arguments these are the models of the embedded world.

        Args:
            judge: a classifier whose scores of the images the output has; none by default, and
                `embedded` for that of the embedded world.
            device: where all models go; a CUDA GPU if there is one by default, else the CPU.
            taxonomy: the emotions that exist; see `muse.emotions.taxonomies`.
            label_map: what labels of the classifiers mean that the taxonomy does not name; ""
                leaves one out.
            dtype: of the diffusion model's weights; by default bfloat16 on a GPU that computes in
                it, else float32 (`muse.diffusion.devices.dtype_of`).
            memory: how much the diffusion model may take: `high`, `medium`, `low`, or what the GPU
                has room for (`muse.diffusion.memory`). The images are the same.
            backbone: further arguments of `muse.diffusion.backbones.load_backbone`, as `lora`,
                `embedding` and `compile`.

        Raises:
            TypeError: if there is no such argument; the message says where a parameter of the
                method goes.
            ValueError: if the model is of no known family, a classifier has other labels,
                weights are pickled, or an argument is none of its values.
        """
        check_arguments(cls.from_pretrained, backbone)
        place = str(usable_device(device))

        def classifier(path: str | Path) -> EmotionClassifier:
            return load_classifier(path, taxonomy, label_map).to(place)

        judge = WEIGHTS / "judge" if judge == "embedded" else judge
        models = (
            loaded("guide", guide, classifier),
            loaded("clip", clip, ClipSimilarity.from_pretrained).to(place),
            None if judge is None else loaded("judge", judge, classifier),
        )

        def diffusion_model(path: str | Path) -> Backbone:
            return load_backbone(path, "cpu", dtype_name(dtype, place), **backbone)

        # On the host first: what goes to the device depends on the room that the others leave.
        diffusion = loaded("model", model, diffusion_model)
        beside = sum(bytes_of(other) for other in models if other is not None)
        room = Room(memory, slots or ENOUGH_ROWS, device_bytes(place), beside, models[0])
        fit(diffusion, torch.device(place), room)
        pipe = cls(diffusion, models[0], models[1], method, slots, models[2])
        pipe._facts = ModelFacts.named(model, as_names(backbone.get("lora", ())))
        pipe._is_embedded = Path(model) == WEIGHTS / "diffusion"
        return pipe

    @property
    def device(self) -> torch.device:
        """Where the diffusion model is."""
        return self.backbone.device

    def to(self, device: str | torch.device) -> MusePipeline:
        """Move all models to a device; returns the pipeline.

        The dtype is chosen when a model is loaded (`from_pretrained(dtype="bfloat16")`), because
        parts of some models have to stay in float32.

        Raises:
            ValueError: for a dtype, or a device that cannot be used here; nothing is moved then.
        """
        if isinstance(device, torch.dtype):
            raise ValueError(
                f"a pipeline is not cast to {device} afterwards; load it in that dtype: "
                'from_pretrained(dtype="bfloat16")'
            )
        place = usable_device(device)
        move(self.backbone, place)
        for model in (self.guide, self.clip, self.judge):
            if isinstance(model, torch.nn.Module):
                model.to(place)
        return self

    def set_progress_bar_config(self, **config: Any) -> None:
        """Arguments of tqdm for the progress bar, as in diffusers; `disable=True` for none."""
        self._progress = config

    def __call__(
        self,
        prompt: str | Sequence[str],
        emotion: Emotion | Sequence[Emotion],
        image: Picture | Sequence[Picture] | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        resize: Resize = "fit",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        strength: float | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        callback_on_step_end: Callback | None = None,
        edit_start: str | None = None,
        mask_image: Picture | Sequence[Picture] | None = None,
        restore_size: bool = False,
    ) -> MuseOutput:
        """Make one image, or one for each prompt of a list. The images do not affect each other.

        Args:
            emotion: a name (`"awe"`), a mixture (`{"awe": 0.6, "fear": 0.4}`) or a `Target`; one
                for all prompts, or one for each.
            image: if it is given, it is edited, and `prompt` describes it: a PIL image or the path
                of an image file; one for all prompts, or one for each. It is read as a run of the
                command reads it (see `muse.images`).
            negative_prompt: what guidance leads away from; one for all prompts, or one for each.
            height, width: of the images, in pixels. By default the model's own size, and for an
                image to edit one of about the same area, of the image's aspect.
            resize: how an image to edit gets that size: `fit` scales it and cuts off what is left
                over, `crop` takes the part in the middle of the aspect of the model's own size,
                `pad` repeats its edges, `stretch` squashes it (see `muse.fitting`).
            strength: when editing, the share of the steps that is denoised again, in [0, 1].
            num_images_per_prompt: images of each prompt, which follow each other in the output.
            generator: source of the seeds, on any device; one for all, each prompt, or each image.
            callback_on_step_end: called as (pipeline, step, timestep, {"row", "latents"}) after
                each denoising step of each image, with latents (1, c, h, w). Images may stand at
                different steps. If it returns a dict with "latents", the image goes on with these.
            edit_start: what an edit is denoised from: the `inversion` of its image, or the image
                with `noise` added, as diffusers' image-to-image pipelines do.
            mask_image: where `image` may change, in white on black and in the shape of `image`;
                outside of it every pixel stays. One for all images, or one for each.
            restore_size: put each edit back to the size of its image; what was cut off lies around
                it as it was. The judge sees edits as they are made.

        Raises:
            ValueError: if an emotion is unknown (the message names the nearest known one), an
                argument has a wrong type or length, an image cannot be read, a parameter is out of
                its limits, one that is for edits is given without an image, or the model does not
                make images of that size.
        """
        check_edit(image, resize, restore_size, strength=strength, edit_start=edit_start)
        check_callback(callback_on_step_end)
        sizes = self.backbone.sizes
        size = wanted_size(height, width, sizes)
        requests = requests_of(
            prompt,
            emotion,
            image,
            negative_prompt,
            generator,
            self.guide.taxonomy,
            sizes,
            size,
            resize,
            num_images_per_prompt,
            mask_image,
        )
        method = method_of(
            self.method,
            steps=num_inference_steps,
            guidance_scale=guidance_scale,
            edit_guidance_scale=guidance_scale,
            strength=strength,
            edit_start=edit_start,
        )
        tell_of_method(self._facts, method)
        engine = MuseEngine(self.backbone, self.guide, self.clip, method, self.slots)
        tell_of_requests(engine.setup, requests[::num_images_per_prompt])
        if self._is_embedded:
            tell_of_words([request.prompt for request in requests[::num_images_per_prompt]])
        steps = engine.setup.denoising_steps(requests)
        counted = f" of {len(requests)} images" if len(requests) > 1 else ""
        with tqdm(total=steps, desc=f"denoising steps{counted}", **self._progress) as bar:
            samples = self._run(engine, requests, callback_on_step_end, bar)
        output = output_of(requests, samples, self.judge, self.device)
        if image is not None and restore_size:
            how = (sizes, size, resize, num_images_per_prompt)
            output.images[:] = at_original_size(output.images, image, mask_image, *how)
        return output

    def _run(
        self,
        engine: MuseEngine,
        requests: Sequence[Request],
        callback: Callback | None,
        bar: Any,
    ) -> list[Sample]:
        """The samples in the order of their requests; those of each size are made together."""
        own = self.backbone.sizes.own
        samples: dict[int, Sample] = {}
        for places in by_size([request.size or own for request in requests]):
            schedule = engine.setup.of_size(requests[places[0]].size).schedule
            on_step = self._on_step(schedule, callback, bar, places)
            made = engine.run([requests[place] for place in places], on_step)
            samples |= zip(places, made, strict=True)
        return [samples[place] for place in range(len(requests))]

    def _on_step(
        self, schedule: Schedule, callback: Callback | None, bar: Any, places: Sequence[int]
    ) -> OnStep:
        """The engine's hook that moves the progress bar and calls a user's callback.

        Args:
            places: of the engine's rows among the images of the call.
        """

        def on_step(row: Row, latents: torch.Tensor) -> torch.Tensor | None:
            bar.update()
            if callback is None:
                return None
            timestep = int(schedule.timesteps[row.step])
            arguments = {"row": places[row.number], "latents": latents[None]}
            return latents_of(callback(self, row.step, timestep, arguments), latents)

        return on_step
