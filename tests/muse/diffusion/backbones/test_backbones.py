"""Every family, with small random weights of its real classes: one protocol, one engine."""

import json
from random import Random

import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusion3Pipeline

from jobs.world.card import psnr
from muse.diffusion import backbones
from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.base import latent_shape_of, move
from muse.diffusion.backbones.codec import frozen
from muse.diffusion.backbones.flux import packed
from muse.diffusion.backbones.stable_diffusion_xl import StableDiffusionXL
from muse.diffusion.files.hub import NO_TINY_VAE
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.images import to_tensor
from muse.method import Method
from muse.mini import WEIGHTS
from muse.mini.world.render import render
from muse.mini.world.scene import sample_scene
from muse.request import Request
from muse.sizes import Size
from tests.support.families import FAMILIES, small_vae

SMALL = Size(32, 32)
"""Of images; FLUX and Z-Image have a larger one of their own."""

QUICK = Method(
    steps=3, max_updates_per_step=2, timing="fixed", timing_level=0.0, guidance_end=1.0, tokens=2
)


@pytest.fixture(scope="module")
def folders(tokenizer, tmp_path_factory):
    made = {}
    for name, build in FAMILIES.items():
        torch.manual_seed(0)
        made[name] = tmp_path_factory.mktemp(name)
        build(tokenizer).save_pretrained(made[name], safe_serialization=True)
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_generates_and_edits_with_it(folders, family, random_guide, random_clip):
    backbone = load_backbone(folders[family])
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    requests = [
        Request("a dog in a forest", Target.of("awe"), 1, size=SMALL),
        Request("a dog in a forest", Target.of("fear"), 1, size=SMALL),
        Request("a dog in a forest", Target.of("fear"), 1, image=image, size=SMALL),
    ]
    awe, fear, edit = MuseEngine(backbone, random_guide, random_clip, QUICK).run(requests)
    for sample in (awe, fear, edit):
        assert sample.failure is None
        assert sample.pixels.shape == (32, 32, 3)
        assert sample.trace.updates == 2 * (3 - sample.trace.start_step)
    assert not torch.equal(awe.pixels, fear.pixels)
    assert not torch.equal(fear.pixels, edit.pixels)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_tokens_it_is_what_diffusers_makes(
    folders, family, tokenizer, random_guide, random_clip
):
    """The whole path against the family's own pipeline: text, guidance, schedule, decoder."""
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(folders[family])
    if family in ("sd1", "sd2"):
        pipe.safety_checker = None
    pipe.set_progress_bar_config(disable=True)
    backbone = load_backbone(folders[family])
    method = Method(steps=20, timing="never", guidance_scale=4.0)
    seed, prompt = 7, "a dog in a forest"
    (sample,) = MuseEngine(backbone, random_guide, random_clip, method).run(
        [Request(prompt, Target.of("awe"), seed, size=SMALL)]
    )
    shape = latent_shape_of(backbone, SMALL)
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))
    # How far the T5 is padded.
    more = {"max_sequence_length": 256} if family in ("sd3", "flux_schnell") else {}
    output = pipe(
        prompt,
        num_inference_steps=20,
        guidance_scale=4.0,
        latents=packed(noise) if family.startswith("flux") else noise,
        height=32,
        width=32,
        output_type="pt",
        **more,
    )
    theirs = output.images[0].permute(1, 2, 0) * 255
    assert float((theirs - sample.pixels).abs().mean()) < 1.5
    assert float(theirs.std()) > 3, "a image without contrast would equal anything"


@pytest.mark.parametrize("family", ["sdxl", "sd3"])
def test_both_encoders_take_tokens(folders, family):
    backbone = load_backbone(folders[family])
    assert backbone.text.widths == [32, 48]
    prompts = backbone.text.open(["a dog"], [Target.of("awe")], 2, ", evoking")
    tokens = backbone.text.start([Target.of("awe")], 2)
    assert tokens.shape == (1, 2, 80)
    assert backbone.text.scale.shape == (80,)
    with torch.no_grad():
        base = backbone.embed(prompts, tokens)
        for part in (slice(0, 32), slice(32, 80)):
            moved = tokens.clone()
            moved[..., part] += torch.linspace(-1, 1, moved[..., part].shape[-1])
            other = backbone.embed(prompts, moved)
            assert not torch.allclose(other.context, base.context, atol=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_weights_keep_tokens_and_loss_in_float32(
    folders, dtype, random_guide, random_clip
):
    backbone = load_backbone(folders["sd1"], dtype=dtype)
    assert next(backbone.network.parameters()).dtype == getattr(torch, dtype)
    dtypes = []
    engine = MuseEngine(backbone, random_guide, random_clip, QUICK)
    request = Request("a dog in a forest", Target.of("awe"), 1)
    (sample,) = engine.run([request], lambda row, latents: dtypes.append(latents.dtype))
    assert set(dtypes) == {torch.float32}
    assert sample.failure is None
    assert all(0 < loss < 100 for loss in sample.trace.loss)


@pytest.mark.parametrize(("dtype", "of_vae"), [("bfloat16", "bfloat16"), ("float16", "float32")])
def test_weights_are_read_in_the_dtype_asked_for(folders, monkeypatch, dtype, of_vae):
    """A VAE that overflows in float16 is read in float32, not cast to and fro."""
    seen = {}

    def note(pipe, *arguments, **options):
        for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
            seen[name] = next(getattr(pipe, name).parameters()).dtype
        return StableDiffusionXL(pipe, *arguments, **options)

    monkeypatch.setitem(backbones.FAMILIES, "StableDiffusionXLPipeline", note)
    full = load_backbone(folders["sdxl"], dtype="float32").codec.vae.state_dict()
    backbone = load_backbone(folders["sdxl"], dtype=dtype)
    expected = dict.fromkeys(seen, getattr(torch, dtype)) | {"vae": getattr(torch, of_vae)}
    assert seen == expected
    ours = backbone.codec.vae.state_dict()
    exact = all(torch.equal(ours[name].float(), full[name]) for name in full)
    assert exact == (of_vae == "float32")


def test_the_t5_reads_each_prompt_once(folders, random_guide, random_clip):
    """It takes no emotional token: one pass for prompts, negative prompts and targets each."""
    backbone = load_backbone(folders["sd3"])
    calls = []
    backbone.text.t5.register_forward_hook(lambda *_: calls.append(1))
    requests = [Request("a dog in a forest", Target.of(name), 1) for name in ("awe", "fear")]
    samples = MuseEngine(backbone, random_guide, random_clip, QUICK).run(requests)
    assert all(sample.trace.updates for sample in samples)
    assert len(calls) == 3


def test_an_encoder_off_the_device_is_there_only_while_prompts_are_read(
    folders, random_guide, random_clip
):
    plain, kept_off = load_backbone(folders["sd3"]), load_backbone(folders["sd3"])
    text, places = kept_off.text, []
    assert text.without_tokens() == ("t5",)
    text.off_device = text.without_tokens()
    moved = text.t5.to
    text.t5.to = lambda place: places.append(str(place)) or moved(place)
    requests = [Request("a dog in a forest", Target.of("awe"), 1)]
    ours, theirs = (
        MuseEngine(backbone, random_guide, random_clip, QUICK).run(requests)[0]
        for backbone in (kept_off, plain)
    )
    assert torch.equal(ours.pixels, theirs.pixels)
    assert places == ["cpu", "cpu"], "to the device once, and off it once"
    move(kept_off, torch.device("meta"))
    assert {p.device.type for p in text.t5.parameters()} == {"cpu"}
    assert kept_off.network.device.type == "meta"


def test_a_quantised_part_keeps_its_dtypes(folders):
    """Without a GPU nothing can be quantised by bitsandbytes: the mark of one that was, is set."""
    encoder = load_backbone(folders["sd1"]).text.models[0]
    encoder.hf_quantizer = object()
    assert frozen(encoder, torch.device("cpu"), torch.bfloat16).dtype == torch.float32


def test_a_tiny_decoder_serves_the_inner_loop_and_the_vae_the_image(
    folders, tmp_path, random_guide, random_clip
):
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    tiny.save_pretrained(tmp_path / "tiny", safe_serialization=True)
    backbone = load_backbone(folders["sd1"], tiny_vae=str(tmp_path / "tiny"))
    latents = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        assert backbone.codec.decode_draft(latents).shape == (1, 3, 32, 32)
        assert not torch.allclose(
            backbone.codec.decode_draft(latents), backbone.codec.decode(latents), atol=1e-2
        )
    (sample,) = MuseEngine(backbone, random_guide, random_clip, QUICK).run(
        [Request("a dog", Target.of("awe"), 1)]
    )
    assert sample.failure is None


def test_a_model_may_bring_its_own_tiny_decoder():
    """The embedded one does; `none` uses the VAE all the same."""
    own, full = (
        load_backbone(WEIGHTS / "diffusion", tiny_vae=name).codec for name in ("", NO_TINY_VAE)
    )
    image = to_tensor(render(sample_scene(Random(0), "beach", "dog", ["awe"])))
    with torch.no_grad():
        latents = own.encode(image[None])
        assert own.tiny is not None
        assert torch.equal(full.decode_draft(latents), full.decode(latents))
        decoded = own.decode(latents)
        alike, weaker, stronger = (
            psnr(own.decode_draft(latents * scale), decoded) for scale in (1.0, 0.8, 1.25)
        )
    assert 18 < alike < 60
    assert alike > max(weaker, stronger), "it takes latents of another scale"


def test_another_vae_is_taken(folders, tmp_path):
    torch.manual_seed(9)
    small_vae().save_pretrained(tmp_path / "vae", safe_serialization=True)
    latents = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        own = load_backbone(folders["sd1"]).codec.decode(latents)
        other = load_backbone(folders["sd1"], vae=str(tmp_path / "vae")).codec.decode(latents)
    assert not torch.allclose(own, other)


def test_an_unknown_model_is_refused(folders, tmp_path):
    index = folders["sd1"] / "model_index.json"
    (tmp_path / "odd").mkdir()
    config = {**json.loads(index.read_text()), "_class_name": "NoSuchPipeline"}
    (tmp_path / "odd" / "model_index.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="NoSuchPipeline"):
        load_backbone(tmp_path / "odd")
    with pytest.raises(ValueError, match="float8"):
        load_backbone(folders["sd1"], dtype="float8")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        load_backbone(tmp_path / "broken.safetensors")
    with pytest.raises(ValueError, match="not a Stable Diffusion checkpoint"):
        load_backbone(WEIGHTS / "guide" / "model.safetensors")


def test_without_a_t5_its_part_of_the_context_is_zero(tokenizer, tmp_path):
    """As diffusers saves such a model: the T5 is [null, null] in model_index.json."""
    parts = FAMILIES["sd3"](tokenizer).components
    pipe = StableDiffusion3Pipeline(**parts | {"text_encoder_3": None, "tokenizer_3": None})
    pipe.save_pretrained(tmp_path)
    backbone = load_backbone(tmp_path)
    with torch.no_grad():
        context = backbone.embed(backbone.text.plain(["a dog"])).context
    assert float(context[:, -backbone.text.LONG :].abs().max()) == 0.0
    assert float(context[:, : -backbone.text.LONG].abs().max()) > 0.0


def test_the_last_pass_goes_on_in_smaller_pieces_out_of_memory(folders):
    """A GPU's error is injected for more than two images at a time; one alone is not split."""
    codec, sizes = load_backbone(folders["sd1"]).codec, []
    latents = torch.randn(5, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = torch.cat([codec.decode(latents[:3]), codec.decode(latents[3:])])
        decode = codec.vae.decode

        def short_of_memory(scaled):
            sizes.append(len(scaled))
            if len(scaled) > limit:
                raise torch.OutOfMemoryError("CUDA out of memory (injected)")
            return decode(scaled)

        codec.vae.decode, limit = short_of_memory, 3
        for _ in range(2):
            assert torch.allclose(codec.decode_finished(latents), expected, atol=1e-5)
        assert sizes == [5, 3, 2, 3, 2], "the size that fits is kept"
        sizes.clear()
        codec.decode_finished(latents[:4])
        assert sizes == [4, 2, 2], "as if nothing had been decoded before"
        limit = 0
        with pytest.raises(torch.OutOfMemoryError):
            codec.decode_finished(latents[:1])


@pytest.mark.parametrize("family", ["flux", "flux_schnell", "z_image"])
def test_the_gradient_of_tokens_is_that_of_finite_differences(family, tokenizer):
    """In float64, of which T5 and the networks compute some parts in float32 all the same."""
    torch.manual_seed(0)
    pipe = FAMILIES[family](tokenizer)
    backbone = backbones.FAMILIES[type(pipe).__name__](pipe, dtype=torch.float64)
    prompts = backbone.text.open(["a dog"], [Target.of("awe")], 2, ", evoking")
    tokens = backbone.text.start([Target.of("awe")], 2).double()
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 8, 8, generator=draw, dtype=torch.float64)
    weight = torch.randn(1, 4, 8, 8, generator=draw, dtype=torch.float64)
    direction = torch.randn(tokens.shape, generator=draw, dtype=torch.float64)
    direction = direction * backbone.text.scale

    def value(moved):
        conditioning = backbone.embed(prompts, moved).guided(torch.full((1,), 3.5))
        return (backbone.predict(latents, torch.full((1,), 600.0), conditioning) * weight).sum()

    leaf = tokens.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    with torch.no_grad():
        step = 0.005
        ahead, behind = (value(tokens + sign * step * direction) for sign in (1, -1))
    expected = float((ahead - behind) / (2 * step))
    assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-3)
    for part in gradient.split(backbone.text.widths, dim=-1):
        assert float(part.abs().max()) > 0
