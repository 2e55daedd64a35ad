import copy
import logging

import pytest
import torch

from muse.emotions import Target
from muse.guidance.prompt_frame import with_length
from muse.guidance.tokens import ids_with_tokens, initial_tokens, shares, spliced, word_ids

SUFFIX = ", evoking"


@pytest.fixture(scope="module")
def table(random_backbone):
    return random_backbone.text.tables[0]


def test_tokens_stand_after_the_lead_and_before_the_end_marker(tokenizer):
    ids, places = (
        rows[0].tolist()
        for rows in ids_with_tokens(
            tokenizer, ["a dog in a cemetery"], [Target.of("awe")], 3, SUFFIX
        )
    )
    assert tokenizer.decode(ids[1 : places[0]]).split() == [
        "a",
        "dog",
        "in",
        "a",
        "cemetery",
        ",",
        "evoking",
    ]
    assert places == [8, 9, 10]
    assert tokenizer.decode([ids[place] for place in places]).split() == ["awe", "awe", "awe"]
    assert ids[11] == tokenizer.eos_token_id
    assert len(ids) == tokenizer.model_max_length


def test_a_lead_may_name_the_emotion(tokenizer):
    mixture = Target.of({"awe": 0.6, "fear": 0.4})
    ids, places = ids_with_tokens(tokenizer, ["a dog"], [mixture], 1, SUFFIX + " {emotion}")
    words = tokenizer.decode(ids[0, 1 : int(places[0, 0])]).split()
    assert words == ["a", "dog", ",", "evoking", "awe", "and", "fear"]


def test_a_prompt_at_the_limit_keeps_its_tokens_and_its_end_marker(tokenizer):
    ids, places = (
        rows[0].tolist()
        for rows in ids_with_tokens(tokenizer, ["a dog " * 40], [Target.of("fear")], 2, SUFFIX)
    )
    assert len(ids) == tokenizer.model_max_length
    assert places[-1] == len(ids) - 2
    assert ids[-1] == tokenizer.eos_token_id


def test_tokens_start_as_the_words_of_the_target(tokenizer, table):
    awe = table.weight[tokenizer("awe", add_special_tokens=False).input_ids].mean(0)
    fear = table.weight[tokenizer("fear", add_special_tokens=False).input_ids].mean(0)
    mixture = Target.of({"awe": 0.25, "fear": 0.75})
    alone, mixed = initial_tokens(tokenizer, table, [Target.of("awe"), mixture], 4)
    assert torch.equal(alone, awe.expand(4, -1))
    assert torch.allclose(mixed, torch.stack([fear, fear, fear, awe]), atol=1e-6)
    (one,) = initial_tokens(tokenizer, table, [mixture], 1)
    assert torch.allclose(one, (0.25 * awe + 0.75 * fear)[None], atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "count", "expected"),
    [
        ({"awe": 1.0}, 3, ["awe", "awe", "awe"]),
        ({"awe": 0.5, "fear": 0.5}, 4, ["awe", "awe", "fear", "fear"]),
        ({"awe": 0.5, "fear": 0.5}, 3, ["awe", "awe", "fear"]),
        ({"awe": 0.4, "fear": 0.6}, 4, ["fear", "fear", "awe", "awe"]),
        ({"awe": 0.9, "fear": 0.1}, 4, ["awe", "awe", "awe", "fear"]),
        ({"awe": 0.5, "fear": 0.3, "anger": 0.2}, 4, ["awe", "awe", "fear", "anger"]),
        ({"awe": 0.5, "fear": 0.3, "anger": 0.2}, 2, ["awe", "fear+anger"]),
        ({"awe": 0.5, "fear": 0.3, "anger": 0.2}, 1, ["awe+fear+anger"]),
    ],
)
def test_members_of_a_mixture_share_the_tokens_by_weight(tokenizer, weights, count, expected):
    target = Target.of(weights)
    assert ["+".join(names) for names in shares(target, count)] == expected
    ids, places = ids_with_tokens(tokenizer, ["a dog"], [target], count, SUFFIX)
    words = tokenizer.decode(ids[0, places[0]]).split()
    assert words == [names.split("+")[0] for names in expected]


def test_splicing_the_words_own_embeddings_changes_nothing(random_backbone, tokenizer, table):
    targets = [Target.of("awe"), Target.of("fear")]
    prompts = random_backbone.text.open(
        ["a dog in a forest", "a cat by a pond"], targets, 1, SUFFIX
    )
    tokens = initial_tokens(tokenizer, table, targets, 1)
    with torch.no_grad():
        expected = random_backbone.embed(prompts).context
        assert torch.allclose(random_backbone.embed(prompts, tokens).context, expected, atol=1e-6)
        # Not by a constant: layer norm would take that away again.
        shift = torch.linspace(-1, 1, tokens.shape[-1])
        moved = random_backbone.embed(prompts, tokens + shift).context
    # The encoder is causal: what stands before the tokens cannot know of them.
    first = int(prompts.positions[0].min())
    assert torch.allclose(moved[:, :first], expected[:, :first], atol=1e-6)
    assert not torch.allclose(moved[:, first:], expected[:, first:], atol=1e-3)


def test_the_table_is_left_alone(table):
    before = table.weight.clone()
    tokens = torch.zeros(1, 1, table.embedding_dim, requires_grad=True)
    with spliced(table, torch.tensor([[1]]), tokens):
        table(torch.tensor([[5, 6, 7]])).sum().backward()
    assert tokens.grad is not None
    assert torch.equal(before, table.weight)
    assert table.weight.grad is None
    assert torch.equal(table(torch.tensor([[6]]))[0, 0], table.weight[6])


MARKERS = "a dog <|endoftext|> on <|startoftext|> a beach"


def test_names_of_special_tokens_in_a_prompt_are_plain_text(tokenizer, random_backbone):
    special = {tokenizer.eos_token_id, tokenizer.bos_token_id}
    ids, positions = ids_with_tokens(tokenizer, [MARKERS], [Target.of("awe")], 2, "")
    assert not special & {*ids[0, 1 : positions[0, 0]].tolist()}
    (plain,) = random_backbone.text.plain([MARKERS]).ids
    inside = plain[0, 1:].tolist()
    end = inside.index(tokenizer.eos_token_id)
    # What comes before the end is more than the words that stand before the first marker.
    assert end > len(tokenizer("a dog").input_ids)
    assert tokenizer.bos_token_id not in inside


def test_long_texts_cause_no_warning_of_transformers(tokenizer, caplog):
    """It warns once a tokenizer, and only where nobody told it not to."""
    fresh, logger = copy.deepcopy(tokenizer), logging.getLogger("transformers")
    fresh.deprecation_warnings = {}
    logger.addHandler(caplog.handler)
    try:
        word_ids(fresh, "a dog " * 50)
        assert not caplog.records
        fresh("a dog " * 50)
        assert "longer than the specified maximum" in caplog.text
    finally:
        logger.removeHandler(caplog.handler)


def test_an_encoder_without_room_for_the_tokens_is_refused(tokenizer):
    short = copy.deepcopy(tokenizer)
    short.model_max_length = 2 + len(word_ids(tokenizer, SUFFIX)) + 3
    target = Target.of("awe")
    ids, _ = ids_with_tokens(short, ["a dog"], [target], 3, SUFFIX)
    assert ids.shape == (1, short.model_max_length)
    with pytest.raises(ValueError, match=r"set method.tokens to 3 or less"):
        ids_with_tokens(short, ["a dog"], [target], 4, SUFFIX)
    with pytest.raises(ValueError, match=r"; shorten method\.prompt_suffix to"):
        ids_with_tokens(short, ["a dog"], [target], 1, "dog " * 9)


@pytest.mark.parametrize(
    ("count", "suffix", "remedy"),
    [
        (8, " dog" * 24, "; set method.tokens to {room} or less, or shorten method.prompt_suffix"),
        (8, " dog" * 300, "; shorten method.prompt_suffix to {longest} tokens or less"),
    ],
)
def test_where_suffix_and_tokens_have_no_room_the_remedy_gives_some(
    tokenizer, count, suffix, remedy
):
    length = 30
    one = with_length(tokenizer, length)
    room, longest = length - 2 - len(word_ids(one, suffix)), length - 2 - count
    with pytest.raises(ValueError, match="too few for 8 emotional tokens") as caught:
        ids_with_tokens(one, ["a dog"], [Target.of("awe")], count, suffix)
    assert remedy.format(room=room, longest=longest) in str(caught.value)
    ids_with_tokens(one, ["a dog"], [Target.of("awe")], count, " dog" * longest)


def test_an_encoder_without_room_for_the_tokens_alone_needs_fewer(tokenizer):
    with pytest.raises(ValueError, match=r"set method\.tokens to 3 or less$"):
        ids_with_tokens(with_length(tokenizer, 5), ["a dog"], [Target.of("awe")], 8, "")
