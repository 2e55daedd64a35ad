"""The tables within a run's settings, and the types of their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, WithJsonSchema

from muse.emotions import MIKELS, Taxonomy
from muse.emotions.taxonomies import load_taxonomy
from muse.method import Settings


def _as_tuple(value: Any) -> Any:
    """A list, as TOML and JSON have it, as the tuple that the settings hold; stripped texts."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(part.strip() if isinstance(part, str) else part for part in value)


def _as_taxonomy(value: Any) -> Any:
    """A taxonomy from its name, the path of a TOML file, or a table."""
    try:
        if isinstance(value, str):
            return load_taxonomy(value)
        return Taxonomy.of(value) if isinstance(value, Mapping) else value
    except ValueError as error:
        raise ValueError(f"taxonomy: {error}") from None


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""A list of texts."""

TaxonomySetting = Annotated[
    InstanceOf[Taxonomy],
    BeforeValidator(_as_taxonomy),
    PlainSerializer(dataclasses.asdict),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}], "default": MIKELS.name}),
]
"""A taxonomy, given as a name, the path of a TOML file, or a table."""


class Faults(Settings):
    """What the null engine does wrong on purpose: for tests alone, never set by users."""

    delay: float = Field(0.0, ge=0, le=3600, description="Seconds that a request takes.")
    failures: float = Field(
        0.0, ge=0, le=1, description="Share of the requests that fail; their seeds decide which."
    )
    memory: int = Field(
        0,
        ge=0,
        le=1024,
        description="Requests that can be drawn together before memory runs out; 0 for no limit.",
    )
    prompts: bool = Field(False, description="Heed the prompts that ask for a fault.")


class Images(Settings):
    """Limits of source images: manifests are not trusted."""

    schemes: Texts = Field(
        ("file", "http", "https", "s3", "gs", "hf"),
        description="Schemes of the URLs that are opened; `file` stands for paths, too.",
    )
    allow_private: bool = Field(
        False,
        description="Let http(s) reach addresses that are not public (loopback, private, "
        "link-local).",
    )
    max_bytes: int = Field(64_000_000, ge=1, le=2**31, description="Bytes of one encoded image.")
    max_pixels: int = Field(
        64_000_000,
        ge=1,
        le=2**31,
        description="Pixels of one image, read from its header before it is decoded.",
    )
    timeout_s: float = Field(
        60.0, ge=0.1, le=86_400, description="Seconds to fetch one image by http(s)."
    )
