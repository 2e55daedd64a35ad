"""The architectures of the embedded model: its tokenizer."""

import re

from jobs.world.models import learn_merges
from muse.mini.vocabulary import sentences, words


def test_every_word_of_the_world_is_one_token(tokenizer):
    for sentence in sentences():
        marks = len(re.findall("['-]", sentence))
        assert len(tokenizer.tokenize(sentence)) == len(words(sentence)) + marks


def test_tokens_are_the_same_every_time():
    merges = learn_merges(sentences())
    assert merges == learn_merges(tuple(reversed(sentences())))
    assert len(set(merges)) == len(merges)
