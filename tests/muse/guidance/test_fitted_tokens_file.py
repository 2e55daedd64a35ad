"""The file of fitted tokens: where it is, what it may hold, and which model it fits."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.guidance.fitted_tokens_file import FITTED_TOKENS, TokensFile, place_of

AWE = np.ones((2, 3), np.float32)
TOKENS = TokensFile({"awe": AWE, "fear": 2 * AWE[:, ::-1]}, {"awe": 0.75})


def test_it_reads_what_it_writes(tmp_path):
    file = tmp_path / "t.safetensors"
    file.write_bytes(TOKENS.as_bytes())
    read = TokensFile.read(file)
    assert read.vectors.keys() == {"awe", "fear"}
    assert np.array_equal(read.vectors["fear"], 2 * AWE)
    assert read.vectors["awe"].dtype == np.float32
    assert read.alone == {"awe": 0.75}


def test_names_are_compared_as_labels_are(tmp_path):
    save_file({" Awe": AWE.astype(np.float16)}, tmp_path / "t.safetensors")
    read = TokensFile.read(tmp_path / "t.safetensors")
    assert read.vectors.keys() == {"awe"}
    assert read.vectors["awe"].dtype == np.float32
    assert read.alone == {}


def test_the_place_is_the_given_one_or_the_models_own(tmp_path):
    assert place_of("", tmp_path) is None
    assert place_of("x.safetensors", tmp_path).name == "x.safetensors"
    own = tmp_path / FITTED_TOKENS
    own.write_bytes(TOKENS.as_bytes())
    assert place_of("", tmp_path) == own
    assert place_of("none", tmp_path) is None


@pytest.mark.parametrize(
    ("tensors", "metadata", "why"),
    [
        ({}, {"alone": "{}"}, "no tokens"),
        ({"awe": AWE[0]}, {}, "no vectors (k, d) of numbers for 'awe'"),
        ({"awe": AWE[:0]}, {}, "no vectors (k, d) of numbers for 'awe'"),
        ({"awe": AWE.astype(np.int32)}, {}, "no vectors (k, d) of numbers for 'awe'"),
        ({"awe": AWE, "fear": np.ones((2, 4), np.float32)}, {}, "several widths"),
        ({"awe": np.full((2, 3), np.nan, np.float32)}, {}, "not all finite"),
        ({"awe": AWE}, {"alone": "[1]"}, "no shares by emotion"),
        ({"awe": AWE}, {"alone": '{"awe": 2}'}, "no shares by emotion"),
        ({"awe": AWE}, {"alone": "{"}, "cannot be read"),
        ({"awe": AWE}, {"alone": "[" * 100_000}, "cannot be read"),
        ({"awe": AWE}, {"alone": '{"fear": 1}'}, "shares of emotions without tokens"),
        ({"awe": AWE, "Awe ": AWE}, {}, "an emotion twice"),
        ({"awe": np.full((2, 3), 1e300)}, {}, "not all finite"),
    ],
)
def test_what_is_none_is_refused(tmp_path, tensors, metadata, why):
    file = tmp_path / "t.safetensors"
    save_file(tensors, file, metadata)
    with pytest.raises(ValueError, match="muse-batch tokens fit") as raised:
        TokensFile.read(file)
    assert why in str(raised.value)


def test_a_file_that_is_missing_or_damaged_is_refused(tmp_path):
    file = tmp_path / "t.safetensors"
    with pytest.raises(ValueError, match="cannot be read"):
        TokensFile.read(file)
    file.write_bytes(TOKENS.as_bytes()[:-4])
    with pytest.raises(ValueError, match="cannot be read"):
        TokensFile.read(file)


def test_tokens_of_another_width_belong_to_another_model():
    assert TOKENS.width_problem(3) is None
    found = TOKENS.width_problem(8)
    assert "3 numbers each, but the text encoders of this model read 8" in found
