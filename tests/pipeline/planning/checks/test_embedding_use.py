"""Tokens of textual inversions are counted as the loaded model reads them, and missed if unused."""

import shutil

import pytest

from manifests.schema import Row
from muse.diffusion.backbones import load_backbone
from muse.guidance.tokens import lost_tokens
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.planning.checks.embedding_use import EmbeddingUse
from pipeline.planning.checks.prompt_check import PromptCheck
from tests.support.embeddings import save_embedding

WIDTH = 128


@pytest.fixture
def cat(tmp_path):
    return save_embedding(tmp_path / "cat.safetensors", {"<cat>": (8, WIDTH)})


def _row(prompt, negative=None):
    return Row(0, prompt, None, (), None, None, negative)


def test_a_token_that_no_prompt_has_is_told(cat):
    names = (str(cat), f"{cat}:Easy")
    use = EmbeddingUse(Config(embedding=names))
    assert [*use.warnings] == [], "of no rows nothing is known"
    use.add("a dog", None)
    first, second = use.warnings
    assert first == (
        f"embedding {str(cat)!r}: no effect, because no prompt and no negative prompt has its "
        "token '<cat>'"
    )
    assert "'Easy'" in second
    use.add("a dog", "rain, easy")
    assert [*use.warnings] == [first]
    use.add("a <cat>", None)
    assert [*use.warnings] == []
    of_suffix = Config(embedding=names, method={"prompt_suffix": ", <cat> easy"})
    use = EmbeddingUse(of_suffix)
    use.add("a dog", None)
    assert [*use.warnings] == []


def test_the_longest_of_tokens_that_begin_alike_is_read(cat):
    use = EmbeddingUse(Config(embedding=(f"{cat}:bad", f"{cat}:bad-hands")))
    use.add("a dog", "Bad-Hands, rain")
    (warning,) = use.warnings
    assert "its token 'bad'" in warning
    assert use.left_out_of("a bad-hands dog").split() == ["a", "dog"]


def test_a_token_within_other_words_and_in_an_emotion_is_told(cat):
    use = EmbeddingUse(Config(embedding=(f"{cat}:Art", f"{cat}:Awe")))
    use.add("a cart", None)
    emotion, within = use.warnings
    assert "its token 'Awe' is read in the name of the emotion 'awe' too" in emotion
    assert "its token 'Art' is read within the word 'cart', too" in within
    for token, prompt, word in (
        ("bad-art", "a bad-artist", "bad-artist"),
        ("bad", "bad2, dog", "bad2"),
        ("bad", "bad-hands, bad, dog", ""),
        ("\u732b", "\u68ee\u306e\u732b", ""),
    ):
        use = EmbeddingUse(Config(embedding=(f"{cat}:{token}",)))
        use.add(prompt)
        told = "".join(use.warnings)
        assert (f"is read within the word {word!r}" in told) == bool(word), told
    # Written with an accent of its own, it is read as well.
    use = EmbeddingUse(Config(embedding=(f"{cat}:caf\u00e9",)))
    use.add("a cafe\u0301", None)
    assert [*use.warnings] == []


def test_what_cannot_be_read_and_what_is_not_here_is_left_to_those_who_refuse_it(
    cat, tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cat.write_bytes(b"no tensors")
    use = EmbeddingUse(Config(embedding=(str(cat), "nobody/no-such-embedding:<t>")))
    use.add("a dog")
    assert [*use.warnings] == []
    assert [*EmbeddingUse(Config(engine="null", embedding=(str(cat),))).warnings] == []


def test_prompts_are_counted_as_the_loaded_model_reads_them(cat, tmp_path):
    """Eight vectors for one word, in whichever case it is written."""
    model = shutil.copytree(WEIGHTS / "diffusion", tmp_path / "model")
    config = Config(model=str(model), embedding=(f"{cat}:Easy",), method={"timing": "never"})
    (tokenizer,) = load_backbone(model, embedding=f"{cat}:Easy").text.tokenizers
    # Too long by the two marks around it, if each word is eight tokens.
    full = "easy " * (tokenizer.model_max_length // 8)
    for prompt in ("a dog " * 20 + "Easy", full, "a dog " * 15 + "easy-going"):
        check = PromptCheck(config)
        check.add(_row(prompt))
        counted = next(iter(check.lengths.cut), 0)
        assert counted == lost_tokens(tokenizer, prompt, None) > 0
    plain = PromptCheck(config.replace(embedding=()))
    plain.add(_row(full))
    assert plain.lengths.count == 0
    check = PromptCheck(config)
    check.add(_row(full, full))
    assert check.lengths.count == 1
    assert any(
        "the negative prompts of 1 row(s) are longer" in warning for warning in check.warnings
    )


def test_the_embedded_model_knows_the_tokens(cat):
    check = PromptCheck(Config(embedding=(f"{cat}:<robot>",)))
    check.add(_row("a dog on a beach, <robot>"))
    assert check.unknown == 0
    check.add(_row("a dog on a beach, <droid>"))
    assert [*check.unknown_words] == ["droid"]
