"""The file of emotional tokens that were fitted to a diffusion model. This imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from muse.emotions.taxonomy import clean
from muse.method import Method

FITTED_TOKENS = "fitted_tokens.safetensors"
"""Its name beside the model that the tokens were fitted to."""

NO_FITTED_TOKENS = "none"
"""Instead of the name of a file: every request starts from the words of its emotions."""

SUFFICIENT = 0.9
"""The share of accepted images from which tokens are used as they were fitted."""

UPDATING = (
    *("warm_start", "max_updates_per_step", "guidance_end", "learning_rate", "stop_confidence"),
    *("timing_level", "timing_latest", "inherent_weight", "similar_weight"),
    *("content_weight", "content_similarity", "content_source_similarity"),
)
"""Parameters of the method that tokens which are not updated do not read."""

REMEDY = "make it with `muse-batch tokens fit`"

ALONE = "alone"
"""The key of its metadata for `TokensFile.alone`, as JSON."""


def place_of(name: str | Path, model: str | Path) -> Path | None:
    """The file that is meant by the setting `fitted_tokens`; None for the words.

    Args:
        name: a path; `none`; or empty for the file beside a model that is a folder, if it has one.
        model: the diffusion model's folder, file or hub id.
    """
    if name:
        return None if str(name) == NO_FITTED_TOKENS else Path(name).expanduser()
    own = Path(model).expanduser() / FITTED_TOKENS
    return own if own.is_file() else None


@dataclass(frozen=True)
class TokensFile:
    """What such a file holds.

    Attributes:
        vectors: float32 (k, d) by the name of an emotion, of one d.
        alone: likewise, the share in [0, 1] of images by these tokens without any update that were
            accepted when they were fitted; without an emotion of which too few were made.
    """

    vectors: Mapping[str, np.ndarray]
    alone: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> TokensFile:
        """
        Raises:
            ValueError: it has no tokens, or something else.
        """
        try:
            with safetensors.safe_open(file, "np") as opened:
                names = list(opened.keys())
                tensors = {name: opened.get_tensor(name) for name in names}
                alone = json.loads((opened.metadata() or {}).get(ALONE, "{}"))
        # numpy lacks some types of numbers that a file may have.
        except (OSError, TypeError, ValueError, KeyError, RecursionError) as error:
            raise ValueError(f"{file} cannot be read ({error}); {REMEDY}") from None
        except safetensors.SafetensorError as error:
            raise ValueError(f"{file} cannot be read ({error}); {REMEDY}") from None
        if problem := _problem(tensors, alone):
            raise ValueError(f"{file} {problem}; {REMEDY}")
        with np.errstate(over="ignore"):
            vectors = {clean(name): array.astype(np.float32) for name, array in tensors.items()}
        if not all(np.isfinite(array).all() for array in vectors.values()):
            raise ValueError(f"{file} has vectors that are not all finite; {REMEDY}")
        return cls(vectors, {clean(name): float(share) for name, share in alone.items()})

    def as_bytes(self) -> bytes:
        """The file, as `read` reads it."""
        tensors = {name: np.ascontiguousarray(array) for name, array in self.vectors.items()}
        return safetensors.numpy.save(tensors, {ALONE: json.dumps(dict(self.alone))})

    def width_problem(self, width: int) -> str | None:
        """Why a model cannot use the vectors; None if it can.

        Args:
            width: of the word embeddings of all its text encoders that take emotional tokens,
                together.
        """
        given = next(iter(self.vectors.values())).shape[1]
        if given == width:
            return None
        return (
            f"its tokens have {given} numbers each, but the text encoders of this model read "
            f"{width}: it was fitted to another model; {REMEDY} for this one"
        )


def _problem(tensors: Mapping[str, np.ndarray], alone: Any) -> str | None:
    """Why the content of a file is none of `TokensFile`."""
    for name, tensor in tensors.items():
        if tensor.ndim != 2 or 0 in tensor.shape or not np.issubdtype(tensor.dtype, np.floating):
            return f"has no vectors (k, d) of numbers for {name!r}"
    if len({tensor.shape[1] for tensor in tensors.values()}) != 1:
        return "has no tokens, or tokens of several widths"
    shares = alone.values() if isinstance(alone, dict) else [None]
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares):
        return f"has no shares by emotion under {ALONE!r}"
    if len({clean(name) for name in tensors}) < len(tensors) or not {*alone} <= {*tensors}:
        return "has an emotion twice, or shares of emotions without tokens"
    return None


def kept_emotions(
    vectors: Mapping[str, Sized], alone: Mapping[str, float], method: Method
) -> list[str]:
    """The emotions whose tokens are used as they were fitted, in images of them alone.

    Their number and their size are those with which they sufficed.

    Args:
        vectors, alone: see `TokensFile`.
    """
    if method.timing == "never" or method.updates != "auto" or method.initial_scale != 1:
        return []
    sufficient = [name for name, share in alone.items() if share >= SUFFICIENT]
    return [name for name in sufficient if len(vectors.get(name, ())) == method.tokens]


def unread_warning(
    vectors: Mapping[str, Sized], alone: Mapping[str, float], method: Method
) -> str | None:
    """What of the given parameters images by tokens that are not updated do not read; None if none.

    Args:
        vectors, alone: see `TokensFile`.
    """
    names = kept_emotions(vectors, alone, method)
    given = [name for name in UPDATING if name in method.model_fields_set]
    if not names or not given:
        return None
    settings = ", ".join(f"method.{name}" for name in given)
    return (
        f"{settings}: no effect on images of {', '.join(names)} alone, whose fitted tokens are "
        'used as they are; set method.updates = "always" to update them'
    )
