"""Which thumbnails are kept in memory."""

from pipeline.view.thumbnails import Thumbnails


def test_those_that_were_wanted_last_are_kept_and_take_no_more_than_they_may():
    kept = Thumbnails(30)
    for position in range(3):
        kept.keep((position, 160), bytes(10))
    assert kept.get((0, 160)) == bytes(10)
    # The same one, as two requests make it, counts once.
    kept.keep((2, 160), bytes(10))
    kept.keep((3, 160), bytes(12))
    assert kept.size == sum(map(len, kept.kept.values())) == 22
    assert [*kept.kept] == [(2, 160), (3, 160)]
    kept.keep((4, 160), bytes(31))
    assert (kept.size, kept.get((4, 160))) == (0, None)
