"""Files read at any position, local ones and objects of a store."""

import random

import pytest

from pipeline.storage import ranged
from pipeline.storage.files import location
from pipeline.storage.ranged import open_ranged
from pipeline.storage.remote import Remote


@pytest.fixture
def thing(monkeypatch):
    """An object of 1,000 bytes in this process's memory, read by blocks of 64."""
    monkeypatch.setattr(ranged, "BLOCK", 64)
    monkeypatch.setattr(ranged, "MAX_BLOCKS", 3)
    data = random.Random(0).randbytes(1000)
    place = Remote("memory://ranged/thing")
    place.put(data)
    return place, data


def test_every_piece_is_that_of_the_object(thing):
    place, data = thing
    chance = random.Random(1)
    with open_ranged(place) as handle:
        for _ in range(100):
            start, size = chance.randrange(1100), chance.randrange(300)
            handle.seek(start)
            assert handle.read(size) == data[start : start + size]
        handle.seek(-10, 2)
        assert handle.read() == data[-10:]


def test_only_the_blocks_that_are_needed_are_read(thing, monkeypatch):
    place, data = thing
    asked = []
    read_range = Remote.read_range
    monkeypatch.setattr(
        Remote, "read_range", lambda self, *ends: asked.append(ends) or read_range(self, *ends)
    )
    handle = ranged.RangedObject(place)
    handle.seek(130)
    assert handle.read(20) == data[130:150]
    handle.seek(140)
    assert handle.read(40) == data[140:180]
    assert asked == [(128, 192)]


def test_what_is_not_there_is_not_found(tmp_path):
    for place in (Remote("memory://ranged/nothing"), location(str(tmp_path / "nothing"))):
        with pytest.raises(FileNotFoundError):
            open_ranged(place)
