"""Reads a table as a source."""

import pytest

from manifests.builder.item import Skipped
from manifests.builder.sources.tables import TableSource


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Writes a file in the current folder; gives the source, its items, and what was skipped."""
    monkeypatch.chdir(tmp_path)

    def _read(name, content, **mapping):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        source, skipped = TableSource(name, mapping), Skipped()
        items = list(source.items(skipped))
        rows = [(item.place, item.problem or item.values) for item in items]
        return source, rows, skipped

    return _read
