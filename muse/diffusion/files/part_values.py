"""Whether the numbers in the `config.json` of a part, by which parts are compared, are numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from muse.sizes import is_count, is_counts

COUNTS = ("in_channels", "out_channels", "latent_channels", "patch_size", "pos_embed_max_size")
"""Settings that are one number."""

LISTS = ("block_out_channels", "decoder_block_out_channels", "axes_lens")
"""Settings that are a list of numbers."""

NULLABLE = ("out_channels", "patch_size", "pos_embed_max_size")
"""Settings that say nothing where they are null."""


def value_problem(config: Mapping[str, Any]) -> str | None:
    """The first of these settings that is no number or list, with the remedy; None if none is.

    Args:
        config: what the config.json of a network, a VAE or a tiny decoder says.
    """
    for key in (*COUNTS, *LISTS):
        if key not in config:
            continue
        value, is_list = config[key], key in LISTS
        if (is_counts if is_list else is_count)(value) or (value is None and key in NULLABLE):
            continue
        wanted = "a list of whole numbers" if is_list else "a whole number"
        return (
            f"the {key} in its config.json is {json.dumps(value)}; set it to {wanted} above 0, or "
            "copy config.json again from the model"
        )
    return None
