"""Which samples a report shows."""

import random

import pyarrow as pa

from pipeline.report.figures import COLUMNS
from pipeline.report.sampling import MAX_PER_TARGET, Chosen, Samples, rank_of
from pipeline.view.rows import finished_rows
from tests.support.corpora import rows_of


def test_the_lowest_ranks_are_chosen_whatever_the_order():
    entries = [(rank_of(f"{number:012d}"), number) for number in range(500)]
    expected = sorted(number for _, number in sorted(entries)[:20])
    for seed in range(3):
        random.Random(seed).shuffle(entries)
        chosen = Chosen(20)
        for rank, number in entries:
            chosen.offer(rank, number, number)
        assert chosen.by_position() == expected


def test_equal_ranks_are_chosen_in_the_order_of_the_plan():
    chosen = Chosen(3)
    for position in (5, 1, 4, 2, 3):
        chosen.offer(0.5, position, position)
    assert chosen.by_rank() == [1, 2, 3]


def test_only_samples_with_an_image_are_shown(make_corpus):
    out = make_corpus(emotions=("awe", "fear"))
    samples = Samples(("awe", "fear"))
    for part, table in finished_rows(out).tables(COLUMNS):
        samples.add(part, table)
    rows = rows_of(out)
    assert samples.seen == len(rows)
    accepted = {i for i, row in enumerate(rows) if row["status"] == "accepted"}
    assert samples.positions() <= accepted
    assert len(samples.generated["awe"].by_position()) == min(MAX_PER_TARGET, len(accepted))
    assert not samples.rejected.by_position()


def test_rejected_samples_are_shown_where_their_images_were_kept(make_corpus):
    out = make_corpus(keep_rejected=True)
    samples = Samples(("awe",))
    for part, table in finished_rows(out).tables(COLUMNS):
        samples.add(part, table)
    rejected = [i for i, row in enumerate(rows_of(out)) if row["status"] == "rejected"]
    assert samples.rejected.by_position() == rejected


def test_curves_are_of_samples_whose_similarity_was_measured(make_corpus):
    """Tokens that stay as they were fitted leave an empty list, which must not take a place."""
    ((part, table),) = finished_rows(make_corpus(shard_size=1000)).tables(COLUMNS)
    traces = ["[]", "[0.1, 0.3]", None] * (table.num_rows // 3)
    position = table.schema.get_field_index("trace_similarity")
    samples = Samples(("awe",))
    samples.add(part, table.set_column(position, "trace_similarity", pa.array(traces)))
    scored = sum(value is not None for value in table["judge_confidence"].to_pylist()[1::3])
    assert [curve for curve, _ in samples.curves.by_position()] == [[0.1, 0.3]] * scored
