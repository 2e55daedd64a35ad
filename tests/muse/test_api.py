import numpy as np
import pytest
import torch
from PIL import Image

from muse import MIKELS, Method, MusePipeline
from muse.mini import WEIGHTS
from tests.support.tiny_models import random_resnet


@pytest.fixture(scope="module")
def pipe(random_backbone, random_guide, random_clip):
    method = Method(steps=4, max_updates_per_step=1, timing="fixed", timing_level=0.0)
    return MusePipeline(random_backbone, random_guide, random_clip, method)


def _draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_one_prompt_makes_one_image_with_its_trace(pipe):
    made = pipe("a dog in a forest", "awe", generator=_draw())
    (image,), (trace,) = made.images, made.traces
    assert image.size == (64, 64)
    assert trace.start_step == 0
    assert trace.updates > 0
    assert made.failures == [None]


def test_the_same_generator_makes_the_same_image(pipe):
    first, second, other = (
        pipe("a dog", "awe", generator=_draw(seed)).images[0] for seed in (0, 0, 1)
    )
    assert first.tobytes() == second.tobytes() != other.tobytes()


def test_a_list_of_prompts_is_a_batch(pipe):
    made = pipe(
        ["a dog", "a cat"],
        ["awe", {"fear": 0.5, "sadness": 0.5}],
        generator=[_draw(0), _draw(1)],
        guidance_scale=2.0,
    )
    assert len(made.images) == 2
    assert made.images[0].tobytes() != made.images[1].tobytes()


def test_an_image_is_edited_and_the_callback_is_called_after_every_step(pipe):
    calls = []
    source = Image.new("RGB", (80, 64), (90, 120, 160))
    made = pipe(
        "a dog",
        "anger",
        image=source,
        strength=0.5,
        num_inference_steps=6,
        generator=_draw(),
        callback_on_step_end=lambda p, step, timestep, arguments: calls.append(
            (step, timestep, arguments["latents"].shape)
        ),
    )
    assert made.failures == [None]
    assert [step for step, _, _ in calls] == [3, 4, 5]
    assert [timestep for _, timestep, _ in calls] == sorted((t for _, t, _ in calls), reverse=True)
    assert calls[0][2] == (1, *pipe.backbone.latent_shape)


def test_the_image_goes_on_with_the_latents_that_a_callback_gives(pipe):
    def zero(pipe, step, timestep, arguments):
        return {"latents": torch.zeros_like(arguments["latents"])} if step == 3 else {}

    made, plain = (
        pipe("a dog", "awe", generator=_draw(), callback_on_step_end=callback)
        for callback in (zero, None)
    )
    with torch.no_grad():
        grey = pipe.backbone.codec.decode(torch.zeros(1, *pipe.backbone.latent_shape))[0].clamp(
            0, 1
        )
    pixels = torch.from_numpy(np.array(made.images[0])).permute(2, 0, 1).float() / 255
    assert (pixels - grey).abs().max() < 0.01
    assert made.images[0].tobytes() != plain.images[0].tobytes()


def test_a_guide_with_other_labels_takes_a_label_map(tmp_path):
    guide = random_resnet()
    guide.config.id2label = dict(enumerate([f"Class of {label}" for label in MIKELS.labels]))
    guide.save_pretrained(tmp_path, safe_serialization=True)
    (tmp_path / "preprocessor_config.json").write_text(
        (WEIGHTS / "guide" / "preprocessor_config.json").read_text()
    )
    with pytest.raises(ValueError, match="label_map"):
        MusePipeline.from_pretrained(guide=tmp_path)
    label_map = {f"class of {label}": label for label in MIKELS.labels}
    pipe = MusePipeline.from_pretrained(
        guide=tmp_path, label_map=label_map, method=Method(steps=2, max_updates_per_step=1)
    )
    assert pipe("a dog", "awe", generator=_draw()).failures == [None]


def test_the_embedded_world_is_the_default():
    """Seed 3 at a few steps: the guide's confidence in the target must rise along the way."""
    method = Method(steps=8)
    (trace,) = MusePipeline.from_pretrained(method=method)(
        "a dog on a beach", "fear", generator=_draw(3)
    ).traces
    assert trace.confidence[-1] > trace.confidence[0]
    assert trace.confidence[-1] > 0.5
