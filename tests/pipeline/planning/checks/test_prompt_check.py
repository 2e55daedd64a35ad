"""Prompts of which the model reads only a part."""

import json
import os
import shutil

import pytest
from transformers import CLIPTokenizer

from manifests.schema import Row
from muse.emotions import Target
from muse.guidance.tokens import lost_tokens
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.planning.checks import prompt_check
from pipeline.planning.checks.prompt_check import PromptCheck


def _row(number, prompt, emotions=({"awe": 1.0},)):
    return Row(number, prompt, None, emotions, None, None, "")


def _lost(prompt, **settings) -> list[str]:
    check = PromptCheck(Config(**settings))
    check.add(_row(7, prompt))
    return [f"row {row}: {what}" for row, what in check.lengths.first]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(WEIGHTS / "diffusion" / "tokenizer")


def test_a_prompt_is_measured_in_tokens(tokenizer):
    suffix = tokenizer(", evoking", add_special_tokens=False).input_ids
    length = tokenizer.model_max_length
    room = length - 2 - 8 - len(suffix)
    assert _lost("dog " * room) == []
    assert _lost("dog " * (room + 3)) == [
        f"row 7: the last 3 of its {room + 3} tokens are lost (the encoder takes "
        f"{length}, and {length - room} of these are not the prompt's): 'dog dog dog'"
    ]
    # A word of several tokens is lost if any of them is.
    (long,) = _lost("dog " * (room - 1) + "unbelievably quiet")
    assert long.endswith("not the prompt's): 'unbelievably quiet'")


def test_negative_prompts_that_nothing_reads_are_told():
    for scale, count in ((1.0, 1), (4.0, 0)):
        check = PromptCheck(Config(method=Method(guidance_scale=scale)))
        for negative in ("", None, "rain"):
            check.add(Row(0, "a dog", None, (), None, None, negative))
        told = "the negative prompts of 1 row(s) have no effect, because method.guidance_scale = 1"
        assert [text.startswith(told) for text in check.warnings] == [True] * count


def test_negative_prompts_that_are_cut_are_told(tokenizer):
    room = tokenizer.model_max_length - 2
    check = PromptCheck(Config())
    for number, count in enumerate((room, room + 2)):
        check.add(Row(number, "a dog", None, (), None, None, "dog " * count))
    (told,) = check.warnings
    assert told.startswith("the negative prompts of 1 row(s) are longer than the text encoder")
    assert f"row 1: the last 2 of its {room + 2} tokens are lost" in told


def test_without_guidance_toward_an_emotion_its_tokens_take_no_room(tokenizer):
    room = tokenizer.model_max_length - 2
    never = Method(timing="never", prompt_suffix=" quiet" * 300)
    assert _lost("dog " * room, method=never) == []
    (lost,) = _lost("dog " * (room + 1), method=never)
    assert f"1 of its {room + 1} tokens are lost" in lost


@pytest.mark.parametrize("method", [{}, {"timing": "never"}])
def test_the_t5_of_flux_counts_and_its_clip_needs_room_for_the_tokens(
    method, monkeypatch, tmp_path
):
    clip = ["transformers", "CLIPTokenizer"]
    part = {"tokenizer": clip, "tokenizer_2": clip}
    index = {"_class_name": "FluxPipeline", "transformer": ["diffusers", "x"], **part}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text('{"guidance_embeds": true}')
    for name in part:
        shutil.copytree(WEIGHTS / "diffusion" / "tokenizer", tmp_path / name)
    monkeypatch.setattr(prompt_check, "folder_problems", lambda _: ())
    method = Method(**method)
    assert _lost("dog " * 400, model=str(tmp_path), method=method) == []
    (found,) = _lost("dog " * 540, model=str(tmp_path), method=method)
    lost = 540 - 510 if method.timing == "never" else 540 - 510 + 8 + 2
    assert found.startswith(
        f"row 7: the last {lost} of its 540 tokens are lost (the encoder takes 512"
    )
    if method.timing != "never":
        with pytest.raises(UserError, match=r"shorten method\.prompt_suffix"):
            _lost("a dog", model=str(tmp_path), method=Method(prompt_suffix=" dog" * 80))
    check = PromptCheck(Config(model=str(tmp_path), method=method.replace(true_cfg_scale=3.0)))
    check.add(Row(0, "a dog", None, (), None, None, None))
    told = "method.true_cfg_scale: no effect, because no row has a negative prompt"
    assert check.warnings == [told]


def test_in_windows_no_prompt_is_too_long():
    assert _lost("dog " * 300, method=Method(long_prompts="chunk")) == []


@pytest.mark.parametrize(
    "prompt",
    [
        "a dog, on-a beach! (red) 3.5",
        "d\u00f6g \u72ac\u306e\u7d75 \U0001f600",
        "<|endoftext|>",
        "dog's x",
    ],
)
def test_the_measure_is_what_the_model_loses(tokenizer, prompt):
    prompt = f"{prompt} " * 30
    lost = lost_tokens(tokenizer, prompt, Target.of("awe"), 8, ", evoking")
    assert lost > 0
    (found,) = _lost(prompt)
    assert found.startswith(f"row 7: the last {lost} of its ")


def test_a_model_of_the_hub_is_checked_where_it_is_on_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    prompt = "dog " * 100
    assert _lost(prompt, model="someone/model") == []
    repository = tmp_path / "models--someone--model"
    shutil.copytree(WEIGHTS / "diffusion", repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert _lost(prompt, model="someone/model") == _lost(prompt)


def test_the_most_that_any_emotion_costs_is_what_is_lost(tokenizer):
    prompt = "dog " * tokenizer.model_max_length
    check = PromptCheck(Config(method={"prompt_suffix": " {emotion}"}))
    for emotions in (({"awe": 1.0},), ({"fear": 1.0},), ({"awe": 1.0}, {"fear": 1.0})):
        check.add(_row(0, prompt, emotions))
    lost = [int(what.split()[2]) for _, what in check.lengths.first]
    assert lost[2] == max(lost[:2])


def test_rows_are_listed_up_to_a_limit():
    check = PromptCheck(Config())
    for number in range(13):
        check.add(_row(number, "a dog on a beach " * 40))
    (warning,) = check.warnings
    assert "the prompts of 13 row(s)" in warning
    assert "and 8 more rows" in warning


def test_words_that_the_embedded_model_does_not_know_are_named():
    check = PromptCheck(Config())
    check.add(_row(0, "a dog on a beach"))
    check.add(_row(1, "a zebra on a beach"))
    (warning,) = check.warnings
    assert warning.startswith(
        "1 row(s) have prompts with unknown words, which have no effect: zebra (rows 1). `muse-"
    )


def test_words_that_no_picture_depends_on_are_not_called_unknown():
    check = PromptCheck(Config())
    check.add(_row(0, "The dog with its zebra is on the beach"))
    assert check.unknown_words == {"zebra": 1}


def test_the_warning_of_unknown_words_is_short_however_many_there_are():
    check = PromptCheck(Config())
    for number in range(40):
        check.add(_row(number, f"a dgo and a zebra w{number}x v{number}x"))
    (warning,) = check.warnings
    assert (
        "40 row(s) have prompts with unknown words, which have no effect: dgo (dog?), zebra, "
        in warning
    )
    assert ", and 77 more (rows 0, 1, 2, 3, 4, ...). " in warning
    assert len(warning) < 280


@pytest.mark.parametrize("settings", [{"engine": "null"}, {"model": "someone/model"}])
def test_what_has_no_tokenizer_here_is_not_checked(settings):
    check = PromptCheck(Config(**settings))
    check.add(_row(0, "a zebra on a beach " * 400))
    assert check.warnings == []


@pytest.fixture
def model_copy(tmp_path):
    """A copy of the embedded model's folder, with links in the place of its weights."""
    return shutil.copytree(WEIGHTS / "diffusion", tmp_path / "model", copy_function=_linked)


def _linked(source, target):
    is_large = source.endswith(".safetensors")
    return os.symlink(source, target) if is_large else shutil.copy(source, target)


def test_a_tokenizer_without_its_vocabulary_is_left_to_those_who_refuse_the_model(model_copy):
    prompt = "dog " * 100
    assert _lost(prompt, model=str(model_copy)) != []
    (model_copy / "tokenizer" / "tokenizer.json").unlink()
    assert _lost(prompt, model=str(model_copy)) == []


def test_a_tokenizer_that_cannot_be_read_is_named(model_copy):
    file = model_copy / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["merges"] = [["a", "piece that is not there"]]
    file.write_text(json.dumps(content))
    named = "tokenizer/ cannot be read as a CLIPTokenizer, as model_index.json"
    with pytest.raises(UserError, match=named) as caught:
        PromptCheck(Config(model=str(model_copy)))
    assert "copy the tokenizer again" in str(caught.value)


def test_a_model_that_reads_fewer_tokens_than_the_method_has_is_refused(model_copy):
    file = model_copy / "tokenizer" / "tokenizer_config.json"
    suffix = ", evoking"
    length = 2 + 2 + 4
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": length}))
    method = Method(tokens=5, prompt_suffix=suffix)
    remedy = r"reads 8 tokens, too few for 5 emotional tokens .*; set method.tokens to 4 or less"
    with pytest.raises(UserError, match=remedy):
        _lost("dog", model=str(model_copy), method=method)
    # With as many as there is room for, the prompt is lost, which is told.
    (lost,) = _lost("dog", model=str(model_copy), method=Method(tokens=4, prompt_suffix=suffix))
    assert "1 of its 1 tokens are lost" in lost
