"""How much of a prompt that is too long is lost, for models that read it in different ways."""

import pytest
from transformers import CLIPTokenizer

from muse.emotions import MIKELS
from muse.guidance.prompt_frame import PromptReader, with_length
from muse.guidance.prompt_room import MAX_PROMPTS_SHOWN, MAX_SHOWN, PromptLengths
from muse.method import Method
from muse.mini import WEIGHTS

AWE = [{"awe": 1.0}]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(WEIGHTS / "diffusion" / "tokenizer")


def test_nothing_is_said_of_prompts_that_fit_or_without_a_tokenizer(tokenizer):
    for readers, prompt in (([PromptReader(tokenizer)], "a dog"), ((), "dog " * 400)):
        lengths = PromptLengths(readers, Method(), MIKELS)
        lengths.add(0, prompt, AWE)
        assert lengths.warning is None


def test_the_encoder_with_the_least_room_counts(tokenizer):
    shorter = with_length(tokenizer, tokenizer.model_max_length - 5)
    lengths = PromptLengths(
        map(PromptReader, (tokenizer, shorter)), Method(), MIKELS, noun="prompt"
    )
    lengths.add(3, "dog " * 400, AWE)
    ((number, what),) = lengths.first
    assert number == 3
    assert f"the encoder takes {shorter.model_max_length}, and" in what
    assert what.endswith(f"{('dog ' * 40)[:MAX_SHOWN]}...'")
    assert [f"{lost} of its 400 tokens" in what for lost in lengths.cut] == [True]
    assert "cut off: prompt 3: " in lengths.warning


def test_of_many_prompts_the_first_are_listed(tokenizer):
    lengths = PromptLengths([PromptReader(tokenizer)], Method(), MIKELS)
    for number in range(MAX_PROMPTS_SHOWN + 2):
        lengths.add(number, "dog " * 100, AWE)
    assert lengths.count == MAX_PROMPTS_SHOWN + 2
    assert "; and 2 more rows. Shorten them" in lengths.warning


def test_where_a_command_shows_what_is_lost_the_warning_has_numbers_alone(tokenizer):
    lengths = PromptLengths([PromptReader(tokenizer)], Method(), MIKELS, shown_by="`this`")
    for number in range(MAX_PROMPTS_SHOWN + 1):
        lengths.add(number, "dog " * 100, AWE)
        if not number:
            assert lengths.warning.endswith("cut off (row 0). `this` shows what is lost")
    assert lengths.warning.endswith("cut off (rows 0, 1, 2, 3, 4, ...). `this` shows what is lost")


@pytest.mark.parametrize("character", ["\x00", "\x1c", "\x1f", "\x7f", "\x85", "\u200b", "\xa0"])
@pytest.mark.parametrize("between", ["dog{}cat", "dog {} cat", "dog{} cat", "{}dog cat{}"])
def test_control_characters_count_as_the_model_reads_them(tokenizer, character, between):
    """Tokenizers of CLIP drop them, read them, or split at them; whichever, it is no other here."""
    beyond = "dog " * tokenizer.model_max_length
    prompt = beyond + between.replace("{}", character)
    read = len(tokenizer(prompt, add_special_tokens=False).input_ids)
    room = tokenizer.model_max_length - 2
    assert _lost(PromptReader(tokenizer), prompt, timing="never") == [read - room]


def _lost(reader, prompt, negative=False, **method) -> list[int]:
    lengths = PromptLengths([reader], Method(**method), MIKELS, negative=negative)
    lengths.add(0, prompt, AWE)
    return [*lengths.cut]


@pytest.mark.parametrize(
    "plain",
    [
        {"timing": "never"},
        {"timing": "fixed", "timing_level": 1.0},
        {"negative": True},
    ],
)
def test_what_has_no_emotional_tokens_has_their_room(tokenizer, plain):
    room = tokenizer.model_max_length - 2
    reader = PromptReader(tokenizer)
    assert _lost(reader, "dog " * room, **plain) == []
    assert _lost(reader, "dog " * (room + 3), **plain) == [3]
    (lost,) = _lost(reader, "dog " * room)
    assert lost == 8 + len(tokenizer(", evoking", add_special_tokens=False).input_ids)


def test_an_encoder_that_takes_no_tokens_has_their_room_as_well(tokenizer):
    words = PromptReader(tokenizer, takes_tokens=False)
    room = tokenizer.model_max_length - 2
    assert _lost(words, "dog " * room) == []
    assert _lost(words, "dog " * (room + 1)) == [1]


@pytest.mark.parametrize("method", [{}, {"long_prompts": "chunk"}])
def test_tokens_need_room_in_encoders_whose_length_does_not_count(tokenizer, method):
    beside = PromptReader(tokenizer, whole=False)
    assert _lost(beside, "dog " * 400, **method) == []
    suffix = " quiet" * tokenizer.model_max_length
    with pytest.raises(ValueError, match=r"shorten method\.prompt_suffix"):
        _lost(beside, "a dog", prompt_suffix=suffix, **method)
    assert _lost(beside, "a dog", prompt_suffix=suffix, timing="never", **method) == []
