"""A tokenizer without its vocabulary, or of another model, is told from its files."""

import json

import pytest

from muse.diffusion.files.tokenizer_files import length_problem, tokenizer_problems
from tests.support.text_files import CLIP_SPECIAL, write_tokenizer

CHAT = ("<|im_start|>", "<|im_end|>", "a")
KINDS = {
    "CLIPTokenizer": ("BPE", ("a", "dog", *CLIP_SPECIAL), {}),
    "CLIPTokenizerFast": ("BPE", ("a", "dog", *CLIP_SPECIAL), {}),
    "T5Tokenizer": ("Unigram", ("<pad>", "</s>", "a"), {}),
    "T5TokenizerFast": ("Unigram", ("<pad>", "</s>", "a"), {}),
    "Qwen2Tokenizer": ("BPE", CHAT, {"chat_template": "{{ messages }}"}),
    "BertTokenizer": ("WordPiece", ("a", "dog"), {}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def part(kind, tmp_path):
    algorithm, words, settings = KINDS[kind]
    write_tokenizer(tmp_path / "tokenizer", words, algorithm, **settings)
    return tmp_path / "tokenizer"


def _problems(part, kind, **encoder):
    return list(tokenizer_problems(part, kind, encoder))


def _write_pairs(part, words=("a", *CLIP_SPECIAL)):
    """The older files of byte pair encoding."""
    part.mkdir()
    numbers = {word: number for number, word in enumerate(words)}
    (part / "vocab.json").write_text(json.dumps(numbers))
    (part / "merges.txt").touch()
    return part


def test_a_tokenizer_with_its_vocabulary_has_no_problem(part, kind):
    words = KINDS[kind][1]
    assert _problems(part, kind, vocab_size=len(words) + 1) == []


def test_no_vocabulary_is_a_problem_in_every_class(part, kind):
    (part / "tokenizer.json").unlink()
    (problem,) = _problems(part, kind)
    assert problem.startswith("tokenizer/ has no vocabulary (tokenizer.json, or ")
    assert problem.endswith("copy the tokenizer again from the model, with all its files")
    (part / "tokenizer.json").symlink_to(part / "gone")
    (problem,) = _problems(part, kind)
    assert "tokenizer.json is a link to a file that is not there" in problem


def test_half_a_file_is_a_problem_in_every_class(part, kind):
    whole = (part / "tokenizer.json").read_text()
    (part / "tokenizer.json").write_text(whole[: len(whole) // 2])
    (problem,) = _problems(part, kind)
    assert "tokenizer.json cannot be read" in problem


def test_half_of_the_settings_are_a_problem_in_every_class(part, kind):
    (part / "tokenizer_config.json").write_text('{"model_max_')
    (problem,) = _problems(part, kind)
    assert "tokenizer_config.json cannot be read" in problem


def test_more_tokens_than_the_encoder_knows_are_a_problem_in_every_class(part, kind):
    size = len(KINDS[kind][1])
    (problem,) = _problems(part, kind, vocab_size=size - 1)
    assert f"tokenizer/ has {size} tokens, but the text encoder knows {size - 1}" in problem
    assert "the tokenizer of another model" in problem


def test_a_named_token_that_the_encoder_has_no_row_for_is_a_problem(part, kind):
    """transformers adds it behind the vocabulary."""
    words = KINDS[kind][1]
    settings = json.loads((part / "tokenizer_config.json").read_text())
    token = {"content": "<nope>", "lstrip": False}
    (part / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": token}))
    (problem,) = _problems(part, kind, vocab_size=len(words))
    assert f"<nope> in tokenizer_config.json is not in its vocabulary of {len(words)}" in problem
    assert _problems(part, kind, vocab_size=len(words) + 1) == []


def test_byte_pairs_need_their_merges_and_t5_its_pieces(tmp_path):
    part = _write_pairs(tmp_path / "tokenizer")
    assert _problems(part, "CLIPTokenizer") == []
    (problem,) = _problems(part, "T5Tokenizer")
    assert "has no vocabulary (tokenizer.json, or spiece.model)" in problem
    (part / "spiece.model").touch()
    assert _problems(part, "T5Tokenizer") == []
    (part / "merges.txt").unlink()
    (problem,) = _problems(part, "CLIPTokenizer")
    assert "has no vocabulary (tokenizer.json, or vocab.json and merges.txt)" in problem


def test_tokens_that_are_added_beside_the_vocabulary_count(tmp_path):
    part = _write_pairs(tmp_path / "tokenizer", ("a", "dog"))
    (problem,) = _problems(part, "CLIPTokenizer")
    assert "<|startoftext|> is not in its vocabulary" in problem
    added = {str(2 + number): {"content": token} for number, token in enumerate(CLIP_SPECIAL)}
    settings = {"added_tokens_decoder": added}
    (part / "tokenizer_config.json").write_text(json.dumps(settings))
    assert _problems(part, "CLIPTokenizer", vocab_size=4) == []
    (part / "added_tokens.json").write_text('{"<mine>": 4}')
    (problem,) = _problems(part, "CLIPTokenizer", vocab_size=4)
    assert "has 5 tokens, but the text encoder knows 4" in problem


@pytest.mark.parametrize(
    ("other", "kind", "said"),
    [
        ("T5Tokenizer", "CLIPTokenizer", "is of the kind Unigram, but its class"),
        ("CLIPTokenizer", "T5Tokenizer", "is of the kind BPE, but its class"),
        ("Qwen2Tokenizer", "CLIPTokenizer", "<|startoftext|> is not in its vocabul"),
        ("CLIPTokenizer", "Qwen2Tokenizer", "<|im_start|>"),
    ],
)
def test_the_tokenizer_of_another_family_is_a_problem(tmp_path, other, kind, said):
    algorithm, words, _ = KINDS[other]
    part = tmp_path / "tokenizer"
    write_tokenizer(part, words, algorithm, chat_template="{{ messages }}")
    (problem,) = _problems(part, kind)
    assert said in problem
    assert "the tokenizer of another model" in problem


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        ({"eos_token_id": 3}, None),
        ({"eos_token_id": 7}, 7),
        # The end marker in the settings of the first CLIPs is wrong and not looked at.
        ({"eos_token_id": 2, "vocab_size": 4}, None),
        ({"eos_token_id": 2, "vocab_size": 6}, 5),
        ({"eos_token_id": None}, None),
    ],
)
def test_the_end_marker_is_that_of_the_encoder(tmp_path, encoder, expected):
    write_tokenizer(tmp_path / "tokenizer")
    encoder |= {"model_type": "clip_text_model"}
    problems = _problems(tmp_path / "tokenizer", "CLIPTokenizer", **encoder)
    assert len(problems) == (expected is not None)
    if expected is not None:
        assert f"has the id 3, but the text encoder takes {expected} for the end" in problems[0]


def test_an_encoder_of_another_kind_may_have_other_markers(tmp_path):
    write_tokenizer(tmp_path / "tokenizer")
    encoder = {"model_type": "t5", "eos_token_id": 1}
    assert _problems(tmp_path / "tokenizer", "CLIPTokenizer", **encoder) == []


def test_a_language_model_needs_its_chat_template(tmp_path):
    part = tmp_path / "tokenizer"
    write_tokenizer(part, CHAT)
    (problem,) = _problems(part, "Qwen2Tokenizer")
    assert "has no chat template" in problem
    (part / "chat_template.jinja").touch()
    assert _problems(part, "Qwen2Tokenizer") == []


@pytest.mark.parametrize("content", ["[]", "{}", '{"model": {"vocab": {}}}', '{"model": {}}'])
def test_a_file_without_words_is_a_problem(tmp_path, content):
    write_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / "tokenizer.json").write_text(content)
    assert len(_problems(tmp_path / "tokenizer", "CLIPTokenizer")) == 1


@pytest.mark.parametrize("length", [None, 0, 10**30, 9, "8"])
def test_the_length_of_prompts_is_said_and_fits(tmp_path, length):
    write_tokenizer(tmp_path / "tokenizer", model_max_length=length)
    assert "the model_max_length in tokenizer_config.json" in length_problem(
        tmp_path / "tokenizer", 8
    )


def test_a_length_that_the_encoder_reads_is_no_problem(tmp_path):
    write_tokenizer(tmp_path / "tokenizer")
    assert length_problem(tmp_path / "tokenizer", 8) is None
    (tmp_path / "tokenizer" / "tokenizer_config.json").unlink()
    assert "is missing" in length_problem(tmp_path / "tokenizer", 8)


CLIP_IDS = {"!": 0, "<|startoftext|>": 49406, "<|endoftext|>": 49407}
"""Of the vocabulary of every published CLIP, from the first token to the last."""

MARKED = {
    key: {"__type": "AddedToken", "content": token, "normalized": True}
    for key, token in (("bos_token", "<|startoftext|>"), ("eos_token", "<|endoftext|>"))
}
PLAIN = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
PADDED_BY_ZERO = {
    **PLAIN,
    "pad_token": "!",
    "added_tokens_decoder": {
        str(number): {"content": token, "special": number == 0}
        for token, number in CLIP_IDS.items()
    },
}
FIRST = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
"""Wrong, as most published text encoders have it."""

TRUE = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
"""As transformers writes it since its release 4.31."""


@pytest.mark.parametrize(
    ("settings", "markers"),
    [
        pytest.param({**MARKED, "pad_token": "<|endoftext|>"}, FIRST, id="SD 1.4, 1.5, 2.1"),
        pytest.param({**MARKED, "pad_token": "!"}, FIRST, id="SD 2, SDXL tokenizer_2"),
        pytest.param({**PLAIN, "pad_token": "<|endoftext|>"}, FIRST, id="SD 3, FLUX.1"),
        pytest.param(PADDED_BY_ZERO, FIRST, id="SDXL tokenizer_2 of later releases"),
        pytest.param(PADDED_BY_ZERO, TRUE, id="saved again by later releases"),
    ],
)
@pytest.mark.parametrize("files", ["tokenizer.json", "vocab.json"])
def test_the_published_clips_have_no_problem(tmp_path, settings, markers, files):
    part = tmp_path / "tokenizer"
    if files == "vocab.json":
        _write_pairs(part)
        (part / "vocab.json").write_text(json.dumps(CLIP_IDS))
        (part / "added_tokens.json").write_text(json.dumps(CLIP_IDS))
    else:
        write_tokenizer(part, CLIP_IDS)
        content = {"type": "BPE", "vocab": CLIP_IDS, "merges": []}
        (part / files).write_text(json.dumps({"added_tokens": [], "model": content}))
    settings = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **settings}
    (part / "tokenizer_config.json").write_text(json.dumps(settings))
    encoder = {"model_type": "clip_text_model", "vocab_size": 49408, **markers}
    assert _problems(part, "CLIPTokenizer", **encoder) == []
    assert length_problem(part, 77) is None
    # The same tokenizer, but for another end marker, is refused.
    other = encoder | {"eos_token_id": 49406}
    assert "takes 49406 for the end of a prompt" in _problems(part, "CLIPTokenizer", **other)[0]


def test_the_published_t5_has_no_problem(tmp_path):
    """Of Stable Diffusion 3 and FLUX.1: 32,000 pieces, 100 further ids, and a padded table."""
    extra = [f"<extra_id_{number}>" for number in range(100)]
    pieces = ["<pad>", "</s>", "<unk>", *map(str, range(31_997)), *extra]
    settings = {"eos_token": "</s>", "pad_token": "<pad>", "extra_ids": 100}
    write_tokenizer(tmp_path / "tokenizer_2", pieces, "Unigram", model_max_length=512, **settings)
    encoder = {"model_type": "t5", "vocab_size": 32128, "eos_token_id": 1, "pad_token_id": 0}
    assert _problems(tmp_path / "tokenizer_2", "T5TokenizerFast", **encoder) == []
    (problem,) = _problems(tmp_path / "tokenizer_2", "T5Tokenizer", **encoder | {"eos_token_id": 2})
    assert "</s> has the id 1, but the text encoder takes 2 for the end" in problem
