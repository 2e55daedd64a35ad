import re

import numpy as np
import pytest
import torch
from PIL import Image

from manifests.schema import Row
from muse import MIKELS, Method, MusePipeline, load_taxonomy
from muse.emotions.probabilities import Probabilities
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.models.locate import check_models
from pipeline.planning.checks.edit_warnings import step_warnings
from pipeline.planning.checks.prompt_check import PromptCheck
from tests.support.tiny_models import random_resnet


class ImageMean:
    """A judge whose logits are the mean red of the image times the emotion's position."""

    def __init__(self, taxonomy):
        self.taxonomy = taxonomy

    def probs(self, pixels):
        places = torch.arange(len(self.taxonomy), dtype=torch.float32)
        return Probabilities.from_softmax(pixels[:, 0].mean((1, 2))[:, None] * places)

    def named(self, image):
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
        return dict(zip(self.taxonomy.labels, self.probs(pixels).p[0].tolist(), strict=True))


@pytest.fixture(scope="module")
def pipe(random_backbone, random_guide, random_clip):
    # No level of content is known for a random CLIP, of which each call would warn.
    method = Method(
        steps=4, max_updates_per_step=1, timing="fixed", timing_level=0.0, content_weight=0.0
    )
    pipe = MusePipeline(random_backbone, random_guide, random_clip, method)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_one_prompt_makes_one_image_with_its_trace(pipe):
    made = pipe("a dog in a forest", "awe", generator=_draw())
    (image,), (trace,) = made.images, made.traces
    assert image.size == (128, 128)
    assert trace.start_step == 0
    assert trace.updates > 0
    assert made.failures == [None]
    assert len(repr(made)) < 400


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
    """Seed 3 at a few steps: the judge finds the target by its fitted tokens alone, and the guide's
    confidence rises where tokens are optimised from the word."""
    pipe = MusePipeline.from_pretrained(method=Method(steps=8), judge="embedded")
    output = pipe("a dog on a beach", "fear", generator=_draw(3))
    assert output.traces[0].updates == output.traces[0].guide_forwards == 0
    assert output.judged[0]["fear"] > 0.5
    from_words = MusePipeline.from_pretrained(method=Method(steps=8), fitted_tokens="none")
    (trace,) = from_words("a dog on a beach", "fear", generator=_draw(3)).traces
    assert trace.confidence[-1] > trace.confidence[0]
    assert trace.confidence[-1] > 0.5


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (5, "fitted_tokens is 5; give the path of a file, 'none' or ''"),
        ("nowhere.safetensors", "nowhere.safetensors cannot be read"),
        (".", "cannot be read"),
    ],
)
def test_fitted_tokens_that_are_none_are_refused(given, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        MusePipeline.from_pretrained(fitted_tokens=given)


def test_several_images_of_a_prompt_differ_and_follow_each_other(pipe):
    options = {"num_images_per_prompt": 2, "generator": [_draw(0), _draw(1)]}
    made = pipe(["a dog", "a cat"], "awe", **options)
    assert len({image.tobytes() for image in made.images}) == 4
    first = pipe("a dog", "awe", generator=_draw(0)).images[0]
    # Beside other rows a network rounds differently.
    difference = np.asarray(made.images[0], int) - np.asarray(first, int)
    assert abs(difference).max() <= 3
    with pytest.raises(ValueError, match="num_images_per_prompt is 0; give a whole number from 1"):
        pipe("a dog", "awe", num_images_per_prompt=0)


def test_images_are_of_the_size_asked_for(pipe):
    assert pipe("a dog", "awe", height=96, width=160).images[0].size == (160, 96)
    assert pipe("a dog", "awe", width=64).images[0].size == (64, 128)
    with pytest.raises(ValueError, match=r"width is 50; .* multiples of 32: give 32 or 64"):
        pipe("a dog", "awe", width=50)
    with pytest.raises(ValueError, match=r"height is 64\.0; give a whole number of pixels"):
        pipe("a dog", "awe", height=64.0)
    with pytest.raises(ValueError, match="resize is 'squash'; choose fit, crop, pad, stretch"):
        pipe("a dog", "awe", resize="squash")


def test_edits_of_several_aspects_keep_theirs_and_their_order(pipe):
    shapes = [(90, 60), (50, 50), (60, 90), (30, 20)]
    pictures = [Image.new("RGB", shape, "green") for shape in shapes]
    rows = []

    def note(_, step, timestep, arguments):
        rows.append((arguments["row"], *arguments["latents"].shape[2:]))

    made = pipe(["a dog"] * 4, "awe", pictures, callback_on_step_end=note)
    assert [image.size for image in made.images] == [(160, 96), (128, 128), (96, 160), (160, 96)]
    assert set(rows) == {(0, 6, 10), (1, 8, 8), (2, 10, 6), (3, 6, 10)}
    stretched = pipe("a dog", "awe", pictures[0], resize="crop", strength=0.0)
    assert stretched.images[0].size == (128, 128)


def test_edits_are_put_back_to_the_size_of_their_pictures(pipe):
    """In the order of the prompts, and as it was outside of a mask."""
    levels = np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8)
    wide, tall = Image.fromarray(levels), Image.fromarray(levels[:, :70])
    masks = [Image.new("L", picture.size) for picture in (wide, tall)]
    masks[0].paste(255, (60, 30, 100, 60))
    masks[1].paste(255, (0, 0, 70, 90))
    output = pipe(
        ["a dog", "a cat"],
        "awe",
        [wide, tall],
        mask_image=masks,
        strength=0.5,
        num_images_per_prompt=2,
        restore_size=True,
    )
    assert [image.size for image in output.images] == [(150, 90)] * 2 + [(70, 90)] * 2
    outside = np.asarray(masks[0]) == 0
    made = np.asarray(output.images[1])
    assert (made[outside] == levels[outside]).all()
    assert not (made[~outside] == levels[~outside]).all()
    with pytest.raises(ValueError, match="restore_size is given without an image"):
        pipe("a dog", "awe", restore_size=True)


def test_a_judge_scores_each_image_by_itself(random_backbone, random_guide, random_clip):
    method = Method(steps=2, timing="never")
    judge = ImageMean(MIKELS)
    pipe = MusePipeline(random_backbone, random_guide, random_clip, method, judge=judge)
    pipe.set_progress_bar_config(disable=True)
    made = pipe(["a dog", "a cat"], ["awe", {"fear": 0.5, "awe": 0.5}], generator=_draw())
    for image, judged in zip(made.images, made.judged, strict=True):
        assert judged == pytest.approx(ImageMean(MIKELS).named(image))
    (awe, both) = made.confidences
    assert awe == made.judged[0]["awe"]
    assert both == pytest.approx(sum(min(made.judged[1][name], 0.5) for name in ("awe", "fear")))
    other = ImageMean(load_taxonomy("emotion6"))
    with pytest.raises(ValueError, match="the judge has the emotions of emotion6"):
        MusePipeline(random_backbone, random_guide, random_clip, judge=other)


def test_a_progress_bar_counts_the_denoising_steps_of_all_images(pipe, capfd):
    pipe.set_progress_bar_config(disable=False, ascii=True)
    source = Image.new("RGB", (64, 64))
    pipe("a dog", "awe", image=source, strength=0.5, num_inference_steps=4)
    pipe.set_progress_bar_config(disable=True)
    shown = capfd.readouterr().err
    assert "denoising steps: 100%" in shown
    assert "2/2" in shown
    pipe.set_progress_bar_config(disable=False, ascii=True)
    pipe(["a dog", "a cat"], "awe", num_inference_steps=2)
    pipe.set_progress_bar_config(disable=True)
    shown = capfd.readouterr().err
    assert "denoising steps of 2 images: 100%" in shown
    assert "4/4" in shown


def test_all_models_move_together():
    backbone = MusePipeline.from_pretrained(method=Method(steps=2)).backbone
    pipe = MusePipeline.from_pretrained(judge=WEIGHTS / "judge", method=Method(steps=2))
    assert pipe.device == torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert pipe.to("meta") is pipe
    assert pipe.device == torch.device("meta") != backbone.device
    parts = [pipe.backbone.network, *pipe.backbone.text.models, pipe.backbone.codec.vae]
    parts += [pipe.guide, pipe.judge, pipe.clip]
    for part in parts:
        assert {tensor.device.type for tensor in part.parameters()} == {"meta"}
    with pytest.raises(ValueError, match='dtype="bfloat16"'):
        pipe.to(torch.bfloat16)


def test_a_call_tells_what_plan_tells_of_the_model_and_refuses_what_it_refuses(tmp_path):
    (tmp_path / "dream-turbo").symlink_to(WEIGHTS / "diffusion")
    method = Method(steps=2, eta=0.5, sampler="euler", timing="never")
    pipe = MusePipeline.from_pretrained(tmp_path / "dream-turbo", method=method)
    pipe.set_progress_bar_config(disable=True)
    with pytest.warns(UserWarning, match="dream-turbo") as found:
        pipe("a dog", "awe")
    told = [str(warning.message) for warning in found if warning.filename == __file__]
    assert told == check_models(Config(model=str(tmp_path / "dream-turbo"), method=method))
    assert [message.split()[0] for message in told] == ["dream-turbo", "method.eta:"]
    pipe.method = Method(scheduler={"prediction_type": "epsilon"})
    with pytest.raises(ValueError, match="is 'epsilon', but the model's is 'v_prediction'"):
        pipe("a dog", "awe")


def test_a_call_tells_of_prompts_that_are_cut_and_of_edits_without_a_step(pipe):
    image, long = Image.new("RGB", (64, 64), "red"), "dog " * 400
    with pytest.warns(UserWarning, match="no step|cut off") as found:
        made = pipe(["a dog", long], "awe", image, strength=0.0, num_images_per_prompt=2)
    assert len(made.images) == 4
    told = [str(warning.message) for warning in found if warning.filename == __file__]
    (step,) = step_warnings(Config(method={"steps": 4, "strength": 0.0}), edits=2)
    check = PromptCheck(Config(method={"steps": 4}))
    check.add(Row(1, long, None, ({"awe": 1.0},), None, None, None))
    (cut,) = check.warnings
    cut = cut.replace("the prompts of 1 row(s)", "1 prompt(s)").replace("row 1", "prompt 1")
    assert told == [cut, step.replace("row(s)", "prompt(s)")]


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ({"guidance_scale": 1.0}, "the negative prompts of 1 row(s) have no effect, because"),
        ({"guidance_scale": 4.0}, "the negative prompts of 1 row(s) are longer than"),
    ],
)
def test_a_call_tells_of_negative_prompts_what_plan_tells(pipe, method, told):
    negative = "dog " * 100
    with pytest.warns(UserWarning, match="negative") as found:
        pipe("a dog", "awe", negative_prompt=negative, **method)
    check = PromptCheck(Config(method={"steps": 4, **method}))
    check.add(Row(0, "a dog", None, ({"awe": 1.0},), None, None, negative))
    (planned,) = check.warnings
    assert planned.startswith(told)
    assert [str(warning.message) for warning in found if warning.filename == __file__] == [
        planned.replace("row(s)", "prompt(s)").replace("row 0", "prompt 0")
    ]


def test_of_what_is_read_and_made_a_call_tells_nothing(pipe, recwarn):
    pipe("a dog", "awe", Image.new("RGB", (64, 64), "red"), strength=0.5)
    assert not [w for w in recwarn if w.category is UserWarning]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"clip_skip": True}, "clip_skip is True; give a whole number from 0"),
        ({"compile": "auto"}, "compile is 'auto'; give on or off"),
        ({"lora": "/nowhere/style.safetensors"}, "/nowhere/style.safetensors"),
    ],
)
def test_arguments_of_the_diffusion_model_are_checked(argument, message):
    with pytest.raises(ValueError, match=message):
        MusePipeline.from_pretrained(device="cpu", **argument)
