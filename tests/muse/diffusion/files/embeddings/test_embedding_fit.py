"""Whether a textual inversion fits a model is known from the headers of both."""

import copy
import re

import pytest

from muse.diffusion.files.embeddings.embedding_files import Embedding
from muse.diffusion.files.embeddings.embedding_fit import EmbeddingTarget, keys_of
from muse.mini import WEIGHTS
from tests.support.embeddings import save_embedding
from tests.support.families import FAMILIES

SD2 = EmbeddingTarget("StableDiffusionPipeline", {"text_encoder": 1024})
XL = EmbeddingTarget("StableDiffusionXLPipeline", {"text_encoder": 768, "text_encoder_2": 1280})
FLUX = EmbeddingTarget("FluxPipeline", {"text_encoder": 768, "text_encoder_2": 4096})


@pytest.fixture
def embedding(tmp_path):
    """A textual inversion of tensors of these shapes."""

    def made(shapes, token="<cat>"):
        return Embedding.read(save_embedding(tmp_path / "cat.safetensors", shapes), token)

    return made


@pytest.mark.parametrize(
    ("target", "shapes", "told"),
    [
        (SD2, {"emb_params": (8, 768)}, "of the width 768, but the text_encoder .* reads 1024"),
        (
            SD2,
            {"clip_l": (1, 768), "clip_g": (1, 1280)},
            "clip_g and clip_l, but a .* has a single",
        ),
        (XL, {"clip_l": (1, 768)}, "has vectors for clip_l, but a .* needs clip_l and clip_g"),
        (XL, {"clip_g": (1, 1280)}, "has vectors for clip_g, but a .* needs clip_l and clip_g"),
        (
            XL,
            {"<cat>": (1, 768)},
            r"for one text encoder \(of the width 768\), but a .* needs clip_l",
        ),
        (XL, {"clip_l": (1, 768), "clip_g": (1, 768)}, r"the width 768 \(clip_g\).* reads 1280"),
        (FLUX, {"clip_l": (1, 768), "clip_g": (1, 1280)}, "but a FluxPipeline needs clip_l"),
        (FLUX, {"t5": (1, 4096)}, "has vectors for t5, but a FluxPipeline needs clip_l"),
        (EmbeddingTarget("ZImagePipeline"), {"<cat>": (1, 8)}, "a ZImagePipeline takes no textual"),
        (EmbeddingTarget("StableDiffusion3Pipeline"), {"clip_l": (1, 768)}, "takes no textual inv"),
    ],
)
def test_vectors_for_other_encoders_are_refused(embedding, target, shapes, told):
    assert re.search(told, target.problem(embedding(shapes)))


@pytest.mark.parametrize(
    ("target", "shapes", "keys"),
    [
        (SD2, {"<cat>": (8, 1024)}, {"text_encoder": ""}),
        (
            XL,
            {"clip_l": (2, 768), "clip_g": (2, 1280)},
            {"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
        ),
        (FLUX, {"<cat>": (2, 768)}, {"text_encoder": ""}),
        (FLUX, {"clip_l": (2, 768)}, {"text_encoder": "clip_l"}),
        (
            FLUX,
            {"clip_l": (2, 768), "t5": (2, 4096)},
            {"text_encoder": "clip_l", "text_encoder_2": "t5"},
        ),
    ],
)
def test_each_tensor_goes_to_its_encoder(embedding, target, shapes, keys):
    found = embedding(shapes)
    assert target.problem(found) is None
    assert keys_of(target.family, found) == keys
    is_told = target.family == "FluxPipeline" and len(keys) == 1
    assert (target.warning(found) is not None) == is_told


def test_a_token_may_be_neither_in_a_tokenizer_nor_given_twice(embedding):
    known = {"text_encoder": ("dog", "<one>_1", "<two>_2")}
    target = EmbeddingTarget("StableDiffusionPipeline", {}, known)
    for token, name in (("dog", "dog"), ("<one>", "<one>_1"), ("<two>", "<two>_2")):
        told = f"cannot have the token '{token}': '{name}' is in the model's tokenizer/ already"
        assert told in target.problem(embedding({"a": (3, 8)}, token))
    # The name after the last of its own would be read as one more vector.
    assert "'<two>_2' is in the model's" in target.problem(embedding({"a": (2, 8)}, "<two>"))
    assert target.problem(embedding({"a": (1, 8)}, "<two>")) is None
    target = target.with_tokens(embedding({"a": (3, 8)}, "Cat"))
    for token in ("Cat", "cat", "CAT_1", "cat_2"):
        told = "is one of the embedding cat.safetensors already"
        assert told in target.problem(embedding({"a": (1, 8)}, token))
    assert "would be read as a vector of 'cat'" in target.problem(embedding({"a": (1, 8)}, "CAT_3"))
    for token in ("cats", "cat_a", "<cat>", "cat_7", "cat_03"):
        assert target.problem(embedding({"a": (1, 8)}, token)) is None


def test_accents_are_compared_as_they_are_read(embedding):
    target = EmbeddingTarget("StableDiffusionPipeline")
    target = target.with_tokens(embedding({"a": (1, 8)}, "caf\u00e9"))
    told = target.problem(embedding({"a": (1, 8)}, "cafe\u0301"))
    assert told is not None
    assert "is one of the embedding" in told


def test_tokens_that_were_added_to_a_model_are_compared_without_case(embedding, tokenizer):
    pipe = FAMILIES["sd1"](copy.deepcopy(tokenizer))
    pipe.tokenizer.add_tokens(["<cat>", "<cat>_1"])
    target = EmbeddingTarget.of_pipeline(pipe)
    for token in ("<CAT>", "<Cat>_1", "<cat>_2"):
        told = target.problem(embedding({"a": (1, 32)}, token))
        assert told is not None
        assert "in the model's tokenizer/" in told


def test_a_model_is_known_from_its_files_as_from_its_pipeline(tokenizer, tmp_path):
    for family in ("sd1", "sdxl", "flux", "z_image"):
        pipe = FAMILIES[family](tokenizer)
        pipe.save_pretrained(tmp_path / family)
        of_files = EmbeddingTarget.of(tmp_path / family)
        of_pipe = EmbeddingTarget.of_pipeline(pipe)
        assert of_files == of_pipe
        assert bool(of_files.vocabularies) == (family != "z_image")
    embedded = EmbeddingTarget.of(WEIGHTS / "diffusion")
    assert embedded.family == "StableDiffusionPipeline"
    assert len(embedded.vocabularies["text_encoder"]) == len(tokenizer)


@pytest.mark.parametrize(
    ("shapes", "widths"),
    [
        (
            {
                "model.diffusion_model.input_blocks.0.0.weight": (2, 4, 3, 3),
                "cond_stage_model.model.token_embedding.weight": (9, 16),
            },
            {"text_encoder": 16},
        ),
        (
            {
                "conditioner.embedders.0.transformer.token_embedding.weight": (9, 12),
                "conditioner.embedders.1.model.token_embedding.weight": (9, 20),
            },
            {"text_encoder": 12, "text_encoder_2": 20},
        ),
    ],
)
def test_of_a_single_file_the_widths_are_known(tmp_path, shapes, widths):
    file = save_embedding(tmp_path / "model.safetensors", shapes)
    assert EmbeddingTarget.of(file).widths == widths
