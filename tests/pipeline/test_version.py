"""The version."""

from importlib import metadata

import pipeline
from pipeline.version import version


def test_the_version_is_that_of_the_package_or_none(monkeypatch):
    def absent(_):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", lambda name: f"3.2.1 of {name}")
    assert version() == pipeline.__version__ == "3.2.1 of muse-batch"
    monkeypatch.setattr(metadata, "version", absent)
    assert version() == "0.0.0"
