"""Negative prompts are told of that nothing reads, or that are cut."""

import pytest
from transformers import CLIPTokenizer

from muse.emotions import MIKELS
from muse.guidance.negative_prompts import NegativePrompts, unread_reason
from muse.guidance.prompt_frame import PromptReader
from muse.method import Method
from muse.mini import WEIGHTS


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(WEIGHTS / "diffusion" / "tokenizer")


@pytest.mark.parametrize(
    ("kind", "method", "reason"),
    [
        ("given", {}, "method.true_cfg_scale = 1 is no classifier-free guidance; they are read"),
        ("given", {"true_cfg_scale": 2.0}, None),
        ("from one", {}, None),
        ("from one", {"guidance_scale": 1.0}, "method.guidance_scale = 1 is no guidance; set more"),
        ("from zero", {"guidance_scale": 1.0}, None),
        ("from zero", {"guidance_scale": 0.0}, "method.guidance_scale = 0 is no guidance; set"),
    ],
)
def test_they_are_read_with_guidance(kind, method, reason):
    kinds = {"given": (True, False), "from one": (False, False), "from zero": (False, True)}
    found = unread_reason(Method(**method), *kinds[kind], editing=False)
    assert found == reason if reason is None else found.startswith(reason)


def _warnings(rows, readers=(), embeds_guidance=False, **method):
    check = NegativePrompts(readers, Method(**method), MIKELS, embeds_guidance, False, "prompt")
    for number, (negative, editing) in enumerate(rows):
        check.add(number, negative, editing)
    return list(check.warnings)


def test_those_without_effect_are_counted_for_edits_by_themselves():
    rows = [("rain", False), ("", False), (None, False), ("rain", True), ("fog", True)]
    assert _warnings(rows, guidance_scale=1.0, edit_guidance_scale=2.0) == [
        "the negative prompts of 1 prompt(s) have no effect, because method.guidance_scale = 1 is "
        "no guidance; set more than 1"
    ]
    (told,) = _warnings(rows, edit_guidance_scale=0.0)
    assert told.startswith("the negative prompts of 2 prompt(s) have no effect, because method.ed")


def test_what_is_cut_is_told_of_those_that_are_read(tokenizer):
    readers = [PromptReader(tokenizer)]
    room = tokenizer.model_max_length - 2
    assert _warnings([("dog " * room, False)], readers) == []
    (told,) = _warnings([("a dog", False), ("dog " * (room + 2), False)], readers)
    assert told.startswith("the negative prompts of 1 prompt(s) are longer than the text")
    assert f"prompt 1: the last 2 of its {room + 2} tokens are lost" in told
    assert _warnings([("dog " * 900, False)], readers, long_prompts="chunk") == []
    (told,) = _warnings([("dog " * 900, False)], readers, guidance_scale=1.0)
    assert "no effect" in told


def test_guidance_that_needs_negative_prompts_is_told_without_any():
    told = ["method.true_cfg_scale: no effect, because no prompt has a negative prompt"]
    rows = [(None, False), (None, True)]
    assert _warnings(rows, embeds_guidance=True, true_cfg_scale=3.0) == told
    for more in ({"embeds_guidance": False}, {"true_cfg_scale": 1.0}):
        arguments = {"embeds_guidance": True, "true_cfg_scale": 3.0} | more
        assert _warnings(rows, **arguments) == []
    # An empty text is a prompt, as in diffusers.
    rows.append(("", False))
    assert _warnings(rows, embeds_guidance=True, true_cfg_scale=3.0) == []
