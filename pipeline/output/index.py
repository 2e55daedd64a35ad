"""The index of a corpus whose shards are all committed: metadata, card, and what loaders read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.output.batches import finished_batches, remove_batches
from pipeline.output.card import description, write_card
from pipeline.output.contact_sheet import write_contact_sheet
from pipeline.output.croissant import CROISSANT_FILE, write_croissant
from pipeline.output.loader_files import write_loader_files
from pipeline.output.markers import REJECTED_FOLDER, read_markers, shard_name
from pipeline.output.metadata import METADATA_FILE, count_samples, write_metadata
from pipeline.output.run_file import RunFile, write_run
from pipeline.storage.files import Location, clear_temporaries, sha256_file
from pipeline.storage.lease import Lease, lease_file


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
    write_croissant(output, run, schema, description(run))
    names = [*_index_files(output), *write_loader_files(output)]
    files = {name: sha256_file(output / name) for name in names}
    markers = read_markers(output)
    clear_temporaries(output)
    write_run(output, run.finished(counts, files, markers[-1].digest if markers else ""))
    return counts


def _index_files(output: Location) -> list[str]:
    """The files of the corpus that no marker names."""
    names = [METADATA_FILE, "README.md", "contact_sheet.png", CROISSANT_FILE]
    # A corpus without a shard may still have rejected images.
    unsharded = f"{REJECTED_FOLDER}/{shard_name(0)}.tar"
    if not read_markers(output) and (output / unsharded).exists():
        names.append(unsharded)
    return names


def clear_leftovers(output: Location) -> None:
    """Remove what a driver that was killed after its last write left in a complete corpus."""
    if not lease_file(output).exists() and not finished_batches(output):
        return
    # Another driver that has just finished clears up itself.
    with suppress(UserError), Lease(output):
        clear_temporaries(output)
        remove_batches(output)
