"""Long prompts in windows: what each holds, and that models read them as joined embeddings."""

import pytest
import torch

from muse.diffusion.backbones import FAMILIES as BACKBONES
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.engine.setup import Setup
from muse.guidance.tokens import emotion_ids, ids_with_tokens, word_ids
from muse.guidance.windows import (
    joined_ids,
    plain_windows,
    windows_of,
    windows_with_tokens,
)
from muse.method import Method
from muse.reference import muse
from muse.request import Request
from tests.support.families import FAMILIES

TARGET = Target.of("awe")
CHUNK = Method(steps=2, timing="never", long_prompts="chunk")


def _long(tokenizer, tokens):
    """A prompt of so many tokens."""
    words = ["dog", "cat", "car", "forest"]
    prompt = " ".join(words[k % len(words)] for k in range(tokens))
    assert len(word_ids(tokenizer, prompt)) == tokens
    return prompt


def test_a_window_has_the_length_that_an_encoder_reads(tokenizer):
    room = tokenizer.model_max_length - 2
    sizes = [len(window) for window in plain_windows(tokenizer, _long(tokenizer, 2 * room + 3))]
    assert sizes == [room, room, 3]
    assert plain_windows(tokenizer, "") == [[]]


def test_short_prompts_have_the_ids_of_one_window(tokenizer):
    windows, first = windows_with_tokens(tokenizer, "a dog", TARGET, 4, ", evoking")
    ids, positions = ids_with_tokens(tokenizer, ["a dog"], [TARGET], 4, ", evoking")
    assert torch.equal(joined_ids(tokenizer, [windows], 1), ids)
    assert positions[0].tolist() == [*range(first, first + 4)]


def test_suffix_and_tokens_stay_together_in_the_last_window(tokenizer):
    length = tokenizer.model_max_length
    for tokens, count in ((length, 2), (2 * (length - 2) - 3, 3)):
        prompt = _long(tokenizer, tokens)
        windows, first = windows_with_tokens(tokenizer, prompt, TARGET, 4, ", evoking")
        assert len(windows) == count
        assert first // length == (first + 3) // length == count - 1
        ids = joined_ids(tokenizer, [windows], count)[0]
        assert ids[first : first + 4].tolist() == emotion_ids(tokenizer, TARGET, 4)
        # Nothing of the prompt is lost.
        joined = [token for window in windows for token in window]
        assert joined[:tokens] == word_ids(tokenizer, prompt)


@pytest.fixture(scope="module")
def backbones(tokenizer):
    made = {}

    def backbone(family):
        if family not in made:
            torch.manual_seed(0)
            pipe = FAMILIES[family](tokenizer)
            for part in (pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
                if part is not None:
                    part.get_input_embeddings().weight.data *= 20
            pipe.set_progress_bar_config(disable=True)
            made[family] = pipe, BACKBONES[type(pipe).__name__](pipe)
        return made[family]

    return backbone


def _made(backbone, guide, clip, requests, method=CHUNK):
    final = {}
    engine = MuseEngine(backbone, guide, clip, method)
    for sample in engine.run(requests, lambda row, z: final.update({row.number: z.clone()})):
        assert sample.failure is None
    return [final[number] for number in range(len(requests))]


def _distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@torch.no_grad()
def _joined(encoder, tokenizer, prompt, count, layer):
    """The hidden states of each window by itself, after each other, as compel makes them."""
    windows = plain_windows(tokenizer, prompt)
    parts = [joined_ids(tokenizer, [[window]], 1) for window in windows + [[]] * count][:count]
    return torch.cat(
        [encoder(ids, output_hidden_states=True).hidden_states[layer] for ids in parts], dim=1
    )


@torch.no_grad()
def test_a_long_prompt_is_read_as_the_joined_embeddings_of_its_windows(
    backbones, tokenizer, random_guide, random_clip
):
    """The engine against diffusers' pipeline, which is given the joined embeddings."""
    pipe, backbone = backbones("sd1")
    prompt = _long(tokenizer, tokenizer.model_max_length + 9)
    request = Request(prompt, TARGET, 7, "a cat")
    (ours,) = _made(backbone, random_guide, random_clip, [request])
    embeds = []
    for text in (prompt, "a cat"):
        states = _joined(pipe.text_encoder, tokenizer, text, 2, -1)
        normalise = getattr(pipe.text_encoder, "text_model", pipe.text_encoder).final_layer_norm
        embeds.append(normalise(states))
    noise = torch.randn(1, *backbone.latent_shape, generator=torch.Generator().manual_seed(7))
    theirs = pipe(
        prompt_embeds=embeds[0],
        negative_prompt_embeds=embeds[1],
        latents=noise,
        num_inference_steps=2,
        guidance_scale=4.0,
        output_type="latent",
    ).images
    assert _distance(ours, theirs[0]) < 5e-6
    (cut,) = _made(
        backbone, random_guide, random_clip, [request], CHUNK.replace(long_prompts="truncate")
    )
    assert _distance(cut, theirs[0]) > 1e-3


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_short_prompt_is_as_it_was_alone_and_beside_a_long_one(
    backbones, tokenizer, random_guide, random_clip, family
):
    _, backbone = backbones(family)
    short = Request("a dog in a forest", TARGET, 7)
    long = Request(_long(tokenizer, tokenizer.model_max_length + 9), TARGET, 8)
    cut = CHUNK.replace(long_prompts="truncate")
    (plain,) = _made(backbone, random_guide, random_clip, [short], cut)
    (alone,) = _made(backbone, random_guide, random_clip, [short])
    beside, other = _made(backbone, random_guide, random_clip, [short, long])
    assert torch.equal(alone, plain)
    assert _distance(beside, plain) < 5e-6
    (long_alone,) = _made(backbone, random_guide, random_clip, [long])
    assert _distance(other, long_alone) < 5e-6


def test_tokens_are_optimised_in_the_window_that_has_them(
    backbones, tokenizer, random_guide, random_clip
):
    _, backbone = backbones("sdxl")
    method = CHUNK.replace(timing="fixed", timing_level=0.0, max_updates_per_step=1)
    method = method.replace(stop_confidence=1.0, learning_rate=0.01)
    request = Request(_long(tokenizer, tokenizer.model_max_length + 9), TARGET, 8)
    (made,) = _made(backbone, random_guide, random_clip, [request], method)
    assert _distance(made, muse(backbone, random_guide, random_clip, method, request)[0]) < 1e-3
    still = method.replace(learning_rate=0.0)
    assert _distance(_made(backbone, random_guide, random_clip, [request], still)[0], made) > 0


def test_the_longest_prompt_of_a_request_decides(tokenizer):
    long = _long(tokenizer, tokenizer.model_max_length + 9)
    requests = [Request("a dog", TARGET, 1), Request("a dog", TARGET, 1, long)]
    assert windows_of(CHUNK, [tokenizer], requests) == [1, 2]
    assert windows_of(Method(), [tokenizer], requests) is None


def test_a_model_that_has_a_t5_is_refused(backbones, random_guide, random_clip):
    _, backbone = backbones("sd3")
    with pytest.raises(ValueError, match="has another encoder for longer prompts"):
        Setup.of(backbone, random_guide, random_clip, CHUNK)


def test_tokens_that_never_come_need_no_window(tokenizer, backbones, random_guide, random_clip):
    room = tokenizer.model_max_length - 2
    request = Request(_long(tokenizer, room), TARGET, 1)
    beside = Request(_long(tokenizer, room + 1), TARGET, 2)
    assert windows_of(CHUNK, [tokenizer], [request, beside]) == [1, 2]
    assert windows_of(CHUNK.replace(timing="fixed"), [tokenizer], [request]) == [2]
    _, backbone = backbones("sd1")
    cut = CHUNK.replace(long_prompts="truncate")
    (plain,) = _made(backbone, random_guide, random_clip, [request], cut)
    (alone,) = _made(backbone, random_guide, random_clip, [request])
    assert torch.equal(alone, plain)
    first, _ = _made(backbone, random_guide, random_clip, [request, beside])
    assert _distance(first, plain) < 5e-6


def test_a_negative_prompt_that_nothing_reads_changes_nothing(
    tokenizer, backbones, random_guide, random_clip
):
    _, backbone = backbones("sd1")
    long = _long(tokenizer, tokenizer.model_max_length + 9)
    request = Request("a dog", TARGET, 1, long)
    method = CHUNK.replace(guidance_scale=1.0)
    setup = Setup.of(backbone, random_guide, random_clip, method)
    assert setup.as_read(request).negative_prompt is None
    guided = Setup.of(backbone, random_guide, random_clip, CHUNK)
    assert guided.as_read(request) is request
    (made,) = _made(backbone, random_guide, random_clip, [request], method)
    (without,) = _made(backbone, random_guide, random_clip, [Request("a dog", TARGET, 1)], method)
    assert torch.equal(made, without)
    assert _distance(made, muse(backbone, random_guide, random_clip, method, request)[0]) < 1e-3
