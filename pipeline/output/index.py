"""The index of a corpus whose shards are all committed: metadata, card, contact sheet."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.output.card import write_card
from pipeline.output.contact_sheet import write_contact_sheet
from pipeline.output.metadata import count_samples, write_metadata
from pipeline.output.run_file import RunFile, write_run
from pipeline.storage.files import Location


def conclude(
    output: Location, run: RunFile, schema: pa.Schema, unsharded: list[dict[str, Any]]
) -> dict[str, Any]:
    """Write the index, then `run.json` as that of a complete corpus.

    Args:
        unsharded: records of a corpus without a single shard.

    Returns:
        The counts, as in `run.json`.
    """
    write_metadata(output, schema, unsharded)
    labels = run.config["taxonomy"]["labels"]
    counts = count_samples(output, labels)
    write_card(output, run, counts, schema)
    write_contact_sheet(output, labels)
    write_run(output, run.finished(counts))
    return counts
