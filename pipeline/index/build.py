"""The index of a corpus whose shards are all committed: metadata, card, and what loaders read."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.index.card import description, write_card
from pipeline.index.contact_sheet import write_contact_sheet
from pipeline.index.croissant import CROISSANT_FILE, write_croissant
from pipeline.index.loader_files import write_loader_files
from pipeline.index.metadata import METADATA_FILE, count_samples, write_metadata
from pipeline.output.batches import list_batches, remove_batch
from pipeline.output.markers import read_markers
from pipeline.output.run_file import RunFile, write_run
from pipeline.output.source_hashes import forget_kept_hashes, kept_hashes_files
from pipeline.storage.files import Location, clear_temporaries, sha256_file, temporaries
from pipeline.storage.lease import Lease, lease_file

INDEX_FILES = (METADATA_FILE, "README.md", "contact_sheet.png", CROISSANT_FILE)
"""The files of a corpus that no marker names."""


def conclude(output: Location, run: RunFile, schema: pa.Schema) -> dict[str, Any]:
    """Write the index, then `run.json` as that of a complete corpus.

    Returns:
        The counts, as in `run.json`.
    """
    write_metadata(output, schema)
    labels = run.config["taxonomy"]["labels"]
    counts = count_samples(output, labels)
    write_card(output, run, counts, schema)
    write_contact_sheet(output, labels)
    write_croissant(output, run, schema, description(run))
    names = [*INDEX_FILES, *write_loader_files(output)]
    files = {name: sha256_file(output / name) for name in names}
    markers = read_markers(output)
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
