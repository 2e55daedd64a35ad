"""The files of a sample; a mixture is in a class of its own."""

import pyarrow as pa

from muse.emotions import MIKELS
from pipeline.generation.results import blank_row
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.output.sample_files import SampleFormat, class_names
from pipeline.planning.plan import PlannedRequest

LAYOUT = layout_of(record_schema(MIKELS.labels, [], pa.schema([])))
FORM = SampleFormat(LAYOUT, "webp", MIKELS.labels)


def _row(emotion):
    planned = PlannedRequest("000000001", 0, None, "a dog", "", emotion, None, 5, 0, {})
    return blank_row(planned, 0, MIKELS, LAYOUT)


def test_a_sample_has_four_files_under_one_key():
    files = dict(FORM.files(_row({"fear": 1.0}), b"pixels"))
    assert list(files) == FORM.names("000000001")
    assert files["000000001.webp"] == b"pixels"
    assert files["000000001.txt"] == b"a dog"
    assert files["000000001.cls"] == b"6"


def test_a_mixture_is_in_none_of_its_members_classes():
    index = FORM.class_index(_row({"awe": 0.9, "fear": 0.1}))
    assert class_names(MIKELS.labels, has_mixtures=True)[index] == "mixture"
    assert len(class_names(MIKELS.labels, has_mixtures=False)) == len(MIKELS.labels)
