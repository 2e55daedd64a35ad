"""How much of a prompt that is too long is lost, for models that read it in different ways."""

import pytest
from transformers import CLIPTokenizer

from muse.emotions import MIKELS
from muse.guidance.prompt_frame import with_length
from muse.guidance.prompt_room import MAX_PROMPTS_SHOWN, MAX_SHOWN, PromptLengths
from muse.method import Method
from muse.mini import WEIGHTS

AWE = [{"awe": 1.0}]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(WEIGHTS / "diffusion" / "tokenizer")


def test_nothing_is_said_of_prompts_that_fit_or_without_a_tokenizer(tokenizer):
    for tokenizers, prompt in (((tokenizer,), "a dog"), ((), "dog " * 400)):
        lengths = PromptLengths(tokenizers, Method(), MIKELS)
        lengths.add(0, prompt, AWE)
        assert lengths.warning is None


def test_the_encoder_with_the_least_room_counts(tokenizer):
    shorter = with_length(tokenizer, tokenizer.model_max_length - 5)
    lengths = PromptLengths((tokenizer, shorter), Method(), MIKELS, noun="prompt")
    lengths.add(3, "dog " * 400, AWE)
    ((number, what),) = lengths.first
    assert number == 3
    assert f"the encoder takes {shorter.model_max_length}, of which" in what
    assert what.endswith(f"{('dog ' * 40)[:MAX_SHOWN]}...'")
    assert [f"{lost} of its 400 tokens" in what for lost in lengths.cut] == [True]
    assert "cut off: prompt 3: " in lengths.warning


def test_of_many_prompts_the_first_are_listed(tokenizer):
    lengths = PromptLengths((tokenizer,), Method(), MIKELS)
    for number in range(MAX_PROMPTS_SHOWN + 2):
        lengths.add(number, "dog " * 100, AWE)
    assert lengths.count == MAX_PROMPTS_SHOWN + 2
    assert "; and 2 more rows. Shorten them" in lengths.warning
