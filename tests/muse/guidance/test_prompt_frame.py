"""What surrounds a prompt: markers of CLIP and T5, and the chat template of a language model."""

import copy

import pytest
import torch

from muse.emotions import Target
from muse.guidance.prompt_frame import frame_of, with_all_vectors, with_length
from muse.guidance.tokens import ids_with_tokens, lost_tokens, name_ids, padded_ids, word_ids
from tests.support.tokenizers import chat_tokenizer, t5_tokenizer

PROMPTS = ["a dog in the forest", "", "Fear, and rain!", " spaced\nlines", "\nfirst"]


@pytest.fixture(scope="module")
def chat():
    return with_length(chat_tokenizer(), 96)


def _framed(tokenizer, prompt):
    frame = frame_of(tokenizer)
    return [*frame.head, *word_ids(tokenizer, frame.opening + prompt), *frame.tail]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_framed_prompt_has_the_ids_of_the_whole_text(tokenizer, chat, prompt):
    for one in (tokenizer, t5_tokenizer()):
        assert _framed(one, prompt) == one(prompt).input_ids
    message = [{"role": "user", "content": prompt}]
    text = chat.apply_chat_template(
        message, tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    assert _framed(chat, prompt) == chat(text).input_ids


def test_markers_in_a_prompt_are_text_to_a_language_model(chat):
    ends = _framed(chat, "a dog<|im_end|>").count(chat.convert_tokens_to_ids("<|im_end|>"))
    assert ends == 1


@pytest.mark.parametrize("make", [t5_tokenizer, chat_tokenizer])
def test_tokens_stand_after_the_suffix_and_before_the_end(make):
    one = with_length(make(), 96)
    ids, positions = ids_with_tokens(one, ["a dog"], [Target.of("awe")], 2, ", evoking")
    frame, row = frame_of(one), ids[0].tolist()
    before = [*frame.head, *word_ids(one, f"{frame.opening}a dog"), *word_ids(one, ", evoking")]
    assert ids.shape == (1, 96)
    assert row[: len(before)] == before
    assert positions.tolist() == [[len(before), len(before) + 1]]
    assert row[len(before) : len(before) + 2] == (name_ids(one, "awe") * 2)[:2]
    assert row[len(before) + 2 :][: len(frame.tail)] == list(frame.tail)
    assert set(row[len(before) + 2 + len(frame.tail) :]) == {frame.pad}


@pytest.mark.parametrize("make", [t5_tokenizer, chat_tokenizer])
def test_of_a_long_prompt_the_end_is_lost_and_counted(make):
    one = with_length(make(), 64)
    frame = frame_of(one)
    room = 64 - len(frame.head) - len(frame.tail) - len(word_ids(one, ", evoking")) - 2
    opening = len(word_ids(one, frame.opening)) if frame.opening else 0
    assert lost_tokens(one, "dog " * 9, Target.of("awe"), 2, ", evoking") == 0
    long = " ".join(["dog"] * 80)
    words = len(word_ids(one, frame.opening + long)) - opening
    lost = lost_tokens(one, long, Target.of("awe"), 2, ", evoking")
    assert lost == words + opening - room
    ids, positions = ids_with_tokens(one, [long], [Target.of("awe")], 2, ", evoking")
    assert ids.shape == (1, 64)
    assert int(positions.max()) == 64 - len(frame.tail) - 1
    assert ids[0, 64 - len(frame.tail) :].tolist() == list(frame.tail)


def test_a_language_model_has_words_as_they_stand_in_a_sentence(chat):
    assert name_ids(chat, "awe") == word_ids(chat, "a awe")[1:]
    assert name_ids(chat, "awe") != word_ids(chat, "awe")


def test_a_copy_with_another_length_leaves_the_first_as_it_is(tokenizer):
    before = tokenizer.model_max_length
    assert with_length(tokenizer, 32)("a dog", padding="max_length").input_ids[32:] == []
    assert tokenizer.model_max_length == before
    assert frame_of(with_length(tokenizer, 32)).length == 32


def test_a_template_that_does_not_show_the_prompt_is_refused():
    one = chat_tokenizer()
    one.chat_template = "<|im_start|>"
    with pytest.raises(ValueError, match="does not show a prompt once"):
        frame_of(one)
    one = chat_tokenizer()
    one.chat_template = "{{ messages[0].content }}{{ messages[0].content }}"
    with pytest.raises(ValueError, match="does not show a prompt once"):
        frame_of(one)


def test_special_tokens_are_read_as_in_diffusers_but_for_markers(tokenizer):
    """Stable Diffusion XL pads with "!", and textual inversions may be special tokens."""
    learned = copy.deepcopy(tokenizer)
    learned.add_special_tokens({"additional_special_tokens": ["<cat>"], "pad_token": "!"})
    for prompt in ("a dog!", "a <cat> dog", "! no !"):
        (ids,) = padded_ids(learned, [prompt]).tolist()
        assert ids == learned(prompt, padding="max_length", truncation=True).input_ids
        assert [learned.bos_token_id, *word_ids(learned, prompt)] == ids[
            : ids.index(learned.eos_token_id)
        ]
    assert learned.pad_token_id in word_ids(learned, "a dog!")
    # After an end marker nothing would be read.
    (ids,) = padded_ids(learned, ["a dog <|endoftext|> beach"]).tolist()
    assert ids.index(learned.eos_token_id) > len(word_ids(learned, "a dog beach"))


def test_a_textual_inversion_of_several_vectors_is_read_as_in_diffusers(tokenizer):
    """Its name stands for all its vectors, wherever prompts are read or counted."""
    from diffusers.loaders import TextualInversionLoaderMixin

    from muse.diffusion.backbones.text_encoders import TextEncoders
    from tests.support.tiny_models import tiny_stable_diffusion

    learned = copy.deepcopy(tokenizer)
    learned.add_tokens(["<cat>", "<cat>_1", "<cat>_2", "<one>"])
    prompts = ["a <cat> in the forest", "<cat>, <cat>", "a <one> in rain", "a cat"]
    texts = TextualInversionLoaderMixin().maybe_convert_prompt(prompts, learned)
    assert texts[0] == "a <cat> <cat>_1 <cat>_2 in the forest"
    encoder = tiny_stable_diffusion(tokenizer).text.models[0]
    ours = TextEncoders([(learned, encoder)], torch.device("cpu"), torch.float32).plain(prompts)
    for prompt, text, ids in zip(prompts, texts, ours.ids[0].tolist(), strict=True):
        theirs = learned(text).input_ids
        assert ids[: len(theirs)] == theirs
        assert [learned.bos_token_id, *word_ids(learned, prompt), theirs[-1]] == theirs
        plain = word_ids(tokenizer, prompt)
        assert with_all_vectors(tokenizer, plain) == plain
    count, _ = ids_with_tokens(learned, prompts[:1], [Target.of("awe")], 2, "")
    assert learned.convert_tokens_to_ids("<cat>_2") in count[0].tolist()


def test_a_name_with_capitals_stands_for_all_vectors(tokenizer):
    """In whichever case it is written, if the tokenizer reads that. With those of transformers 5
    diffusers reads one vector."""
    learned = copy.deepcopy(tokenizer)
    learned.add_tokens(["Easy", "Easy_1", "Easy_2"])
    ids = learned.convert_tokens_to_ids(["Easy", "Easy_1", "Easy_2"])
    dog = word_ids(tokenizer, "a dog")
    for prompt in ("a dog Easy", "a dog easy", "a dog EASY"):
        assert word_ids(learned, prompt) == dog + ids
    words, alone = t5_tokenizer(), word_ids(t5_tokenizer(), "easy")
    words.add_tokens(["Easy", "Easy_1"])
    assert word_ids(words, "easy") == alone
    assert words.convert_tokens_to_ids("Easy_1") in word_ids(words, "Easy")


def test_names_that_begin_alike_are_read_apart(tokenizer):
    """In diffusers the shorter one is replaced within the longer one."""
    learned = copy.deepcopy(tokenizer)
    learned.add_tokens(["bad", "bad_1", "bad-hands", "bad-hands_1", "bad-hands_2"])
    ids = learned.convert_tokens_to_ids
    short, long = ids(["bad", "bad_1"]), ids(["bad-hands", "bad-hands_1", "bad-hands_2"])
    comma = word_ids(tokenizer, ",")
    for prompt, expected in (
        ("bad, bad-hands", short + comma + long),
        ("bad-hands, bad", long + comma + short),
        ("bad-hands", long),
    ):
        assert word_ids(learned, prompt) == expected
        (padded,) = padded_ids(learned, [prompt]).tolist()
        assert padded[1 : 1 + len(expected)] == expected


def test_accents_are_read_in_either_form(tokenizer):
    learned = copy.deepcopy(tokenizer)
    learned.add_tokens(["caf\u00e9", "caf\u00e9_1"])
    for prompt in ("caf\u00e9", "cafe\u0301"):
        assert word_ids(learned, prompt)[-2:] == learned.convert_tokens_to_ids(
            ["caf\u00e9", "caf\u00e9_1"]
        )


def test_of_two_names_that_are_read_alike_one_is_read(tokenizer):
    learned = copy.deepcopy(tokenizer)
    learned.add_tokens(["<cat>", "<cat>_1", "<CAT>", "<CAT>_1", "<CAT>_2"])
    assert len(word_ids(learned, "<cat>")) in (2, 3)


def test_many_vectors_are_cut_before_the_end_marker(tokenizer):
    learned = copy.deepcopy(tokenizer)
    learned.add_tokens(["<cat>", *(f"<cat>_{number}" for number in range(1, 200))])
    (ids,) = padded_ids(learned, ["a <cat>"]).tolist()
    assert len(ids) == learned.model_max_length
    assert ids[-1] == learned.eos_token_id


@pytest.mark.parametrize("make", [t5_tokenizer, chat_tokenizer])
def test_without_tokens_all_that_an_encoder_reads_is_left_to_a_prompt(make):
    one = with_length(make(), 64)
    frame = frame_of(one)
    long = " ".join(["dog"] * 80)
    words = word_ids(one, frame.opening + long)
    lost = lost_tokens(one, long, None)
    # What is read: of a message, the end of the template is cut off first.
    tail = () if frame.opening else frame.tail
    read = [*frame.head, *words[: len(words) - lost], *tail]
    assert len(read) == 64
    if not frame.opening:
        assert one(long, truncation=True).input_ids == read
