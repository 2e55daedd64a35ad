"""The arguments of a call: what is accepted, read and refused."""

import io

import pytest
import torch
from PIL import Image, ImageDraw

from muse.call import check_callback, check_edit, latents_of, method_of, requests_of
from muse.emotions import MIKELS, Target
from muse.emotions.taxonomies import load_taxonomy
from muse.images import to_tensor
from muse.method import Method
from muse.sizes import ModelSizes, Size
from pipeline.generation.source_images import open_image

SIDE = 64
SIZES = ModelSizes(Size(SIDE, SIDE), 16)
ORIENTATION = 0x0112


def _requests(
    prompt="a dog",
    emotion="awe",
    image=None,
    negative_prompt="",
    generator=None,
    taxonomy=MIKELS,
    resize="fit",
    **more,
):
    sizes = (taxonomy, SIZES, None, resize)
    return requests_of(prompt, emotion, image, negative_prompt, generator, *sizes, **more)


def _photograph():
    """A landscape whose corner and edges differ, so that a turn, a crop or a filter shows."""
    image = Image.new("RGB", (150, 90), (90, 120, 160))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 70, 30), fill=(200, 40, 40))
    for x in range(0, 150, 3):
        draw.line((x, 40, x, 89), fill=(x, 255 - x, 80))
    return image


def _sideways(image):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return image, {"format": "JPEG", "exif": exif.tobytes(), "quality": 95}


def _transparent(image):
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image, {"format": "PNG"}


def _deep(image):
    return image.convert("L").convert("I;16").point(lambda value: value * 200), {"format": "PNG"}


@pytest.mark.parametrize("kind", [_sideways, _transparent, _deep], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("given", ["path", "text", "image"])
def test_an_image_is_read_exactly_as_by_a_run_of_the_command(kind, given, tmp_path):
    image, options = kind(_photograph())
    path = tmp_path / "source"
    image.save(path, **options)
    (request,) = _requests(
        image={"path": path, "text": str(path), "image": Image.open(path)}[given]
    )
    pixels = request.image
    expected = to_tensor(open_image(path.read_bytes(), SIZES).image)
    assert pixels.shape in ((3, 48, 80), (3, 80, 48))
    assert torch.equal(pixels, expected)


def test_an_array_of_a_file_without_any_of_these_is_its_central_square():
    """The test above would pass if both readers did nothing."""
    buffer = io.BytesIO()
    Image.new("RGB", (100, 50), (255, 0, 51)).save(buffer, "PNG")
    buffer.seek(0)
    (request,) = _requests(image=Image.open(buffer), resize="crop")
    pixels = request.image
    assert torch.allclose(pixels.mean((1, 2)), torch.tensor([1.0, 0.0, 0.2]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty: 0 bytes"),
        (b"no image", "cannot be decoded"),
    ],
)
def test_a_file_that_is_no_image_is_refused_by_its_name(content, message, tmp_path):
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"photo.jpg' {message}"):
        _requests(image=path)


def test_a_mask_goes_with_its_image(tmp_path):
    photograph, path = _photograph(), tmp_path / "mask.png"
    mask = Image.new("L", (75, 45))
    mask.paste(255, (0, 0, 75, 20))
    mask.save(path)
    for given in (path, mask):
        (request,) = _requests(image=photograph, mask_image=given)
        assert request.mask.shape == request.image.shape[1:]
        assert float(request.mask.float().mean()) == pytest.approx(20 / 45, abs=0.02)
    (request,) = _requests(image=photograph)
    assert request.mask is None
    with pytest.raises(ValueError, match="mask_image is given without an image"):
        _requests(mask_image=mask)
    with pytest.raises(ValueError, match="mask_image has 90 x 150 pixels, another shape"):
        _requests(image=photograph, mask_image=Image.new("L", (90, 150), 255))


def test_a_target_is_taken_as_it_is_if_it_is_of_the_guides_taxonomy():
    target = Target.of({"awe": 0.5, "fear": 0.5})
    (request,) = _requests(emotion=target)
    assert request.target is target
    with pytest.raises(ValueError, match="of the taxonomy emotion6, but the guide has mikels-8"):
        _requests(emotion=Target.of("joy", load_taxonomy("emotion6")))


def test_a_single_value_is_for_all_prompts_and_a_list_for_each():
    photograph = _photograph()
    made = _requests(
        ["a dog", "a cat"],
        ["awe", {"fear": 0.5, "sadness": 0.5}],
        image=photograph,
        negative_prompt=["at night", ""],
        generator=[torch.Generator().manual_seed(seed) for seed in (0, 0)],
    )
    assert [request.prompt for request in made] == ["a dog", "a cat"]
    assert [request.target.members for request in made] == [("awe",), ("fear", "sadness")]
    assert [request.negative_prompt for request in made] == ["at night", ""]
    assert made[0].seed == made[1].seed
    assert torch.equal(made[0].image, made[1].image)


def test_one_generator_gives_each_prompt_a_seed_of_its_own():
    first, second = (
        [request.seed for request in _requests(["a dog", "a cat"], generator=generator)]
        for generator in (torch.Generator().manual_seed(0), torch.Generator().manual_seed(0))
    )
    assert first == second
    assert len(set(first)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": []}, "prompt is an empty list; give at least one"),
        ({"prompt": None}, "prompt is None; give a text"),
        ({"prompt": ["a dog", 3]}, r"prompt\[1\] is 3; give a text"),
        ({"emotion": "aww"}, "did you mean 'awe'"),
        ({"emotion": None}, "emotion is None; give a name"),
        ({"prompt": ["a dog", "a cat"], "emotion": ["awe"]}, "emotion has 1 entries for 2 prompts"),
        ({"emotion": ["awe", "fear"]}, "emotion has 2 entries for 1 prompts"),
        ({"image": torch.zeros(3, 8, 8)}, "image is Tensor; give a PIL image or the path"),
        ({"image": [None]}, r"image\[0\] is None; give a PIL image"),
        ({"generator": 3}, "generator is 3; give a torch.Generator"),
        ({"generator": [3]}, r"generator\[0\] is 3; give a torch.Generator"),
        (
            {"prompt": ["a dog", "a cat"], "generator": [torch.Generator()]},
            "generator has 1 entries for 2 prompts",
        ),
        ({"negative_prompt": [None]}, r"negative_prompt\[0\] is None; give a text"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(arguments, message):
    with pytest.raises(ValueError, match=message):
        _requests(**arguments)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"steps": 0}, "num_inference_steps is 0; it should be greater than or equal to 1"),
        ({"edit_guidance_scale": -0.5}, "guidance_scale is -0.5; it should be greater than"),
        ({"strength": 1.5}, "strength is 1.5; it should be less than or equal to 1"),
    ],
)
def test_a_parameter_out_of_its_limits_is_named_as_the_call_names_it(overrides, message):
    with pytest.raises(ValueError, match=message):
        method_of(Method(), **overrides)


def test_a_parameter_that_is_not_given_keeps_the_methods_value():
    method = method_of(Method(steps=7), steps=None, strength=0.5)
    assert (method.steps, method.strength) == (7, 0.5)


def test_a_list_of_generators_has_one_for_each_prompt_or_one_for_each_image():
    def seeds(count_each, *numbers):
        generators = [torch.Generator().manual_seed(number) for number in numbers]
        made = requests_of(
            ["a dog", "a cat"], "awe", None, None, generators, MIKELS, SIZES, count_each=count_each
        )
        return [request.seed for request in made]

    one, two, three, four = (seeds(1, number, 0)[0] for number in range(1, 5))
    assert seeds(2, 1, 2, 3, 4) == [one, two, three, four]
    by_prompt = seeds(2, 1, 2)
    assert (by_prompt[0], by_prompt[2]) == (one, two)
    with pytest.raises(ValueError, match="generator has 3 entries for 2 prompts"):
        seeds(2, 1, 2, 3)


def test_what_a_callback_is_and_returns_is_checked():
    check_callback(None)
    check_callback(print)
    with pytest.raises(ValueError, match="callback_on_step_end is 3; give a function"):
        check_callback(3)
    latents = torch.zeros(1, 4, 2, 2)
    own = latents[0]
    assert latents_of(None, own) is None
    assert latents_of({}, own) is None
    assert latents_of({"latents": latents}, own).shape == (4, 2, 2)
    with pytest.raises(ValueError, match="returned Tensor; it should return None or a dict"):
        latents_of(latents, own)


@pytest.mark.parametrize(
    ("latents", "told"),
    [
        (3, "latents 3; they should be a tensor"),
        (torch.zeros(1), r"of shape \(1,\); they should"),
        (torch.zeros(4, 2, 2), r"of shape \(4, 2, 2\); .* that it was given, \(1, 4, 2, 2\)"),
        (torch.zeros(1, 4, 1, 1), r"of shape \(1, 4, 1, 1\)"),
    ],
)
def test_latents_of_another_shape_are_refused_instead_of_repeated(latents, told):
    with pytest.raises(ValueError, match=told):
        latents_of({"latents": latents}, torch.zeros(4, 2, 2))


@pytest.mark.parametrize("argument", [{"strength": 0.5}, {"edit_start": "noise"}])
def test_an_argument_for_edits_needs_an_image(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"{name} is given without an image; give the image"):
        check_edit(None, "fit", False, **argument)
    check_edit("photo.png", "fit", False, **argument)


def test_how_an_image_is_resized_and_restored_needs_an_image_and_known_values():
    check_edit(None, "fit", False, strength=None)
    check_edit("photo.png", "pad", True)
    with pytest.raises(ValueError, match="resize is given without an image"):
        check_edit(None, "pad", False)
    with pytest.raises(ValueError, match="restore_size is 'yes'; give True or False"):
        check_edit("photo.png", "fit", "yes")
