"""Prompts that the text encoder does not read to their end."""

import pytest

from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.prompt_check import PromptCheck


def _row(number, prompt, emotions=({"awe": 1.0},)):
    return Row(number, prompt, None, emotions, None, None, "")


def _lost(prompt, **settings) -> PromptCheck:
    check = PromptCheck.of(Config(**settings))
    check.add(_row(7, prompt))
    return check


def test_a_prompt_is_measured_in_tokens():
    (tokenizer,) = PromptCheck.of(Config()).tokenizers
    suffix = tokenizer(", evoking", add_special_tokens=False).input_ids
    room = tokenizer.model_max_length - 2 - 8 - len(suffix)
    assert _lost("dog " * room).warning is None
    assert _lost("dog " * (room + 3)).examples == ["row 7: 3 tokens"]


def test_the_most_that_any_emotion_costs_is_what_is_lost():
    (tokenizer,) = PromptCheck.of(Config()).tokenizers
    prompt = "dog " * tokenizer.model_max_length
    settings = {"method": {"prompt_suffix": " {emotion}"}}
    check = PromptCheck.of(Config(**settings))
    for emotions in (({"awe": 1.0},), ({"fear": 1.0},), ({"awe": 1.0}, {"fear": 1.0})):
        check.add(_row(0, prompt, emotions))
    lost = [int(text.split()[2]) for text in check.examples]
    assert lost[2] == max(lost[:2])


def test_rows_are_listed_up_to_a_limit():
    check = PromptCheck.of(Config())
    for number in range(13):
        check.add(_row(number, "a dog on a beach " * 40))
    assert "13 prompt(s)" in check.warning
    assert "and 3 more rows" in check.warning


@pytest.mark.parametrize("settings", [{"engine": "null"}, {"model": "someone/model"}])
def test_what_has_no_tokenizer_here_is_not_measured(settings):
    assert _lost("a dog on a beach " * 400, **settings).warning is None
