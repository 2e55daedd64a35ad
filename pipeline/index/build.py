"""The index of a corpus whose shards are all committed: metadata, card, and what loaders read."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.index.card import description, write_card
from pipeline.index.contact_sheet import CONTACT_SHEET_FILE, ContactSheet
from pipeline.index.counts import SampleCounts
from pipeline.index.croissant import CROISSANT_FILE, write_croissant
from pipeline.index.loader_files import write_loader_files
from pipeline.index.metadata import METADATA_FILE, write_metadata
from pipeline.index.reasons import ReasonCounts
from pipeline.output.batches import list_batches, remove_batch
from pipeline.output.integrity import CARD
from pipeline.output.markers import read_markers
from pipeline.output.run.run_file import RunFile, write_run
from pipeline.output.source_hashes import forget_kept_hashes, kept_hashes_files
from pipeline.storage.files import Location, clear_temporaries, temporaries
from pipeline.storage.lease import Lease, lease_file


def conclude(output: Location, run: RunFile, schema: pa.Schema) -> dict[str, Any]:
    """Write the index, then `run.json` as that of a complete corpus.

    The records are read once, one shard in memory at a time.

    Returns:
        The counts, as in `run.json`.
    """
    markers, labels = read_markers(output), run.config["taxonomy"]["labels"]
    counting, reasons, sheet = SampleCounts(), ReasonCounts(), ContactSheet()

    def on_shard(table: pa.Table) -> None:
        counting.add(table)
        reasons.add(table)
        sheet.add(table)

    metadata = write_metadata(output, markers, schema, on_shard)
    counts = counting.as_dict(labels) | {"endings": reasons.as_dict()}
    files = {
        METADATA_FILE: metadata,
        CARD: write_card(output, run, counts, schema),
        CONTACT_SHEET_FILE: sheet.write(output, markers, labels),
        CROISSANT_FILE: write_croissant(output, run, schema, description(run, counts), metadata),
        **write_loader_files(output, markers),
    }
    forget_kept_hashes(output)
    clear_temporaries(output)
    write_run(output, run.finished(counts, files, markers[-1].digest if markers else ""))
    return counts


def clear_leftovers(output: Location) -> None:
    """Remove what a driver that was killed left in a complete corpus: after its last write, or in a
    retry before its first."""
    batches = list_batches(output)
    others = itertools.chain(kept_hashes_files(output), temporaries(output))
    if not batches and not lease_file(output).exists() and next(others, None) is None:
        return
    # Another driver that has just finished clears up itself.
    with suppress(UserError), Lease(output):
        forget_kept_hashes(output)
        clear_temporaries(output)
        for file in batches:
            remove_batch(output, file)
