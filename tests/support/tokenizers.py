"""Small tokenizers of the real classes: T5's, and that of a language model with a chat template."""

from transformers import Qwen2Tokenizer, T5Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""That of Qwen3 for a single message of a user, with thinking enabled."""

WORDS = ("awe", "fear", "sad", "dog", "cat", "forest", "a", "in", "rain", "evoking", "the")


def t5_tokenizer():
    """Pieces of SentencePiece: some words, and single characters for all others."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS]
    pieces += [(chr(code), -6.0) for code in range(33, 127)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def chat_tokenizer():
    """Bytes, with merges for the words that follow a space; prompts are messages of a user."""
    vocabulary = {"<|endoftext|>": 0}
    vocabulary |= {character: 1 + byte for byte, character in bytes_to_unicode().items()}
    merges = []
    for word in WORDS:
        piece = "Ġ"
        for character in word:
            if piece + character not in vocabulary:
                merges.append((piece, character))
                vocabulary[piece + character] = len(vocabulary)
            piece += character
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=131072)
    markers = {"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}
    tokenizer.add_special_tokens(markers)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
