"""Samples: the later attempts of a rejected request; what is stored of edits and in images."""

import hashlib
import io

import exiv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from muse.emotions import MIKELS
from muse.sizes import Size
from pipeline.config import Config, Faults
from pipeline.generation import image_formats
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.generation.samples import BatchMaker
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.planning.plan import Batch, PlannedRequest, derive_seed
from pipeline.scheduling.executors.local_executor import LocalExecutor
from tests.support.corpora import ROWS, contents_of, rows_of

ALL = {"min_confidence": 0.0, "min_similarity": -1.0, "min_source_similarity": -1.0}
"""Thresholds that every image reaches."""


def test_a_rejected_request_is_tried_again_with_the_next_seeds_and_the_best_is_kept(make_corpus):
    """P(all rejected) is 0.7^1 with one candidate and 0.7^6 = 12 % with six; 30 requests."""
    one, six = (rows_of(make_corpus(f"{k}", min_confidence=0.7, candidates=k)) for k in (1, 6))
    for few, many in zip(one, six, strict=True):
        assert many["judge_confidence"] >= few["judge_confidence"]
        assert (few["attempts"], few["candidate"]) == (1, 0)
        if few["status"] == "accepted":
            assert (many["attempts"], many["candidate"], many["seed"]) == (1, 0, few["seed"])
        if many["status"] == "accepted":
            assert many["attempts"] == many["candidate"] + 1
        else:
            assert many["attempts"] == 6
        assert many["seed"] == derive_seed(0, many["key"], many["candidate"])
    accepted = [sum(row["status"] == "accepted" for row in rows) for rows in (one, six)]
    assert accepted[0] < 15 < 22 < accepted[1]


def test_the_best_of_those_that_were_all_rejected_is_the_one_that_the_judge_likes_most(make_corpus):
    """What six candidates leave rejected is the best of six runs of one candidate each."""
    six = rows_of(make_corpus("six", min_confidence=1.0, candidates=6))
    each = []
    for candidate in range(6):
        seeds = [derive_seed(0, row["key"], candidate) for row in six]
        rows = [{**row, "seed": seed} for row, seed in zip(ROWS, seeds, strict=True)]
        each.append(rows_of(make_corpus(f"{candidate}", rows, min_confidence=1.0)))
    for number, row in enumerate(six):
        confidences = [rows[number]["judge_confidence"] for rows in each]
        assert row["judge_confidence"] == max(confidences)
        assert row["candidate"] == confidences.index(max(confidences))


def test_candidates_change_no_byte_with_the_number_of_workers(make_corpus):
    settings = {
        "candidates": 4,
        "min_confidence": 0.7,
        "near_duplicates": 20,
        "keep_rejected": True,
    }
    one = make_corpus("one", **settings)
    three = make_corpus("three", executor=LocalExecutor(workers=3, seed=1), **settings)
    assert contents_of(one) == contents_of(three)


LAYOUT = layout_of(record_schema(MIKELS.labels, (), pa.schema([])))


def _make_one_of_each(tmp_path, **settings):
    """A generation and an edit of a photograph of 300 x 200 pixels, by the null engine."""
    Image.radial_gradient("L").convert("RGB").resize((300, 200)).save(tmp_path / "photograph.png")
    config = Config(**ALL | settings)
    planned = [
        PlannedRequest(
            f"{n:09d}", n, None, "a dog", "", {"awe": 1.0}, image, n, 0, {}, size=config.size
        )
        for n, image in enumerate((None, "photograph.png"))
    ]
    maker = BatchMaker(NullEngine(Faults()), {}, config, LAYOUT, str(tmp_path))
    return maker.make(Batch(0, tuple(planned)))


def test_an_edit_has_the_size_and_the_square_of_its_source_image(tmp_path):
    generated, edited = (result.record for result in _make_one_of_each(tmp_path))
    edges = [edited[f"source_crop_{edge}"] for edge in ("left", "top", "right", "bottom")]
    assert (edited["source_width"], edited["source_height"]) == (300, 200)
    # The bucket of 80 x 48 is a little wider than the photograph.
    assert edges == [0, 10, 300, 190]
    data = (tmp_path / "photograph.png").read_bytes()
    assert edited["source_sha256"] == hashlib.sha256(data).hexdigest()
    assert 0 < edited["source_ssim"] < 1
    assert {value for name, value in generated.items() if name.startswith("source_")} == {None}


def _make_masked(tmp_path, mask, size=(64, 64), **settings):
    photograph = Image.radial_gradient("L").convert("RGB").resize(size)
    photograph.save(tmp_path / "photograph.png")
    planned = PlannedRequest(
        "000000000", 0, None, "a dog", "", {"awe": 1.0}, "photograph.png", 1, 0, {}, mask=mask
    )
    maker = BatchMaker(NullEngine(Faults()), {}, Config(**ALL | settings), LAYOUT, str(tmp_path))
    (result,) = maker.make(Batch(0, (planned,)))
    return photograph, result


def test_outside_of_its_mask_every_pixel_of_a_finished_edit_is_the_photographs(tmp_path):
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 64, 16))
    mask.save(tmp_path / "mask.png")
    photograph, result = _make_masked(tmp_path, "mask.png")
    finished = Image.open(io.BytesIO(result.image))
    assert finished.crop((0, 16, 64, 64)).tobytes() == photograph.crop((0, 16, 64, 64)).tobytes()
    assert finished.crop((0, 0, 64, 16)).tobytes() != photograph.crop((0, 0, 64, 16)).tobytes()
    record = result.record
    digest = hashlib.sha256((tmp_path / "mask.png").read_bytes()).hexdigest()
    assert (record["mask"], record["mask_share"]) == ("mask.png", 0.25)
    assert record["mask_sha256"] == digest


def test_an_edit_that_is_put_back_to_its_size_keeps_every_pixel_outside_of_its_mask(tmp_path):
    mask = Image.new("L", (100, 60))
    mask.paste(255, (0, 0, 100, 20))
    mask.save(tmp_path / "mask.png")
    settings = {"size": (200, 120), "restore_size": True}
    photograph, result = _make_masked(tmp_path, "mask.png", **settings)
    finished = Image.open(io.BytesIO(result.image))
    outside, inside = (0, 41, 200, 120), (0, 0, 200, 39)
    assert finished.crop(outside).tobytes() == photograph.crop(outside).tobytes()
    assert finished.crop(inside).tobytes() != photograph.crop(inside).tobytes()


@pytest.mark.parametrize(
    ("size", "white", "reason"),
    [
        ((64, 32), 255, "mask: image has 64 x 32 pixels, another shape than its image"),
        ((64, 64), 0, "mask: image has no white in the part that is edited"),
        (None, 0, "mask: image 'mask.png' does not exist"),
    ],
)
def test_an_edit_whose_mask_cannot_be_used_fails_alone(tmp_path, size, white, reason):
    if size:
        Image.new("L", size, white).save(tmp_path / "mask.png")
    _, result = _make_masked(tmp_path, "mask.png")
    assert result.record["status"] == "failed"
    assert result.record["reason"].startswith(reason)


def test_an_edit_that_does_not_resemble_its_source_image_is_rejected(tmp_path):
    generated, edited = _make_one_of_each(tmp_path, min_source_similarity=1.0)
    assert generated.record["status"] == "accepted"
    assert edited.record["status"] == "rejected"
    assert edited.record["reason"].startswith("unlike its source image: source_similarity 0.")
    assert edited.image is None


@pytest.mark.parametrize("image_format", ["png", "jpg", "webp"])
def test_every_image_says_how_it_was_made_and_its_key(tmp_path, image_format):
    terms = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
    results = _make_one_of_each(tmp_path, image_format=image_format)
    for result, term in zip(results, terms, strict=True):
        image = exiv2.ImageFactory.open(result.image)
        image.readMetadata()
        xmp = {str(datum.key()): str(datum.value()) for datum in image.xmpData()}
        assert xmp["Xmp.iptcExt.DigitalSourceType"].rpartition("/")[2] == term
        assert xmp["Xmp.dc.identifier"] == result.record["key"]


def _size_of(result):
    return Image.open(io.BytesIO(result.image)).size


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ({}, (80, 48)),
        ({"resize": "crop"}, (64, 64)),
        ({"resize": "pad"}, (80, 48)),
        ({"resize": "stretch"}, (80, 48)),
        ({"width": 96, "height": 40}, (96, 40)),
    ],
)
@pytest.mark.parametrize("restore_size", [False, True])
def test_an_edit_has_the_size_of_its_settings_or_of_its_source_image(
    tmp_path, settings, made, restore_size
):
    generated, edited = _make_one_of_each(tmp_path, restore_size=restore_size, **settings)
    own = (settings.get("width", 64), settings.get("height", 64))
    stored = (300, 200) if restore_size else made
    for result, asked, kept in ((generated, own, own), (edited, made, stored)):
        record = result.record
        assert (record["made_width"], record["made_height"]) == asked
        assert (record["width"], record["height"]) == _size_of(result) == kept
    assert (generated.record["resize"], generated.record["restored"]) == (None, None)
    assert edited.record["resize"] == settings.get("resize", "fit")
    assert edited.record["restored"] is restore_size


def test_an_edit_that_its_format_cannot_hold_fails_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(image_formats.LONGEST_SIDES, "webp", 299)
    generated, edited = _make_one_of_each(tmp_path, restore_size=True, image_format="webp")
    assert (generated.record["status"], edited.record["status"]) == ("accepted", "failed")
    assert edited.record["reason"].startswith("image has 300 x 200 pixels, and webp holds at most")
    assert edited.record["source_sha256"]
    _, edited = _make_one_of_each(tmp_path, image_format="webp")
    assert edited.record["status"] == "accepted"


def test_around_an_edit_of_the_middle_lies_the_photograph_as_it_was(tmp_path):
    _, edited = _make_one_of_each(tmp_path, resize="crop", restore_size=True)
    photograph = np.asarray(Image.open(tmp_path / "photograph.png"))
    pixels = np.asarray(Image.open(io.BytesIO(edited.image)))
    assert (pixels[:, :50] == photograph[:, :50]).all()
    assert (pixels[:, 250:] == photograph[:, 250:]).all()
    assert (pixels[:, 50:250] != photograph[:, 50:250]).any()


class _Watched(NullEngine):
    """Keeps the sizes of what it draws together."""

    def __init__(self):
        super().__init__(Faults())
        self.drawn = []

    def draw(self, requests):
        self.drawn.append([request.size for request in requests])
        return super().draw(requests)


def test_images_of_one_size_are_made_together_and_results_keep_their_order():
    engine, wide, own = _Watched(), Size(96, 40), Size(64, 64)
    sizes = [wide, None, wide, None, Size(50, 64)]
    planned = [
        PlannedRequest(f"{n:09d}", n, None, "a dog", "", {"awe": 1.0}, None, n, 0, {}, size=size)
        for n, size in enumerate(sizes)
    ]
    maker = BatchMaker(engine, {}, Config(**ALL), LAYOUT, "")
    records = [result.record for result in maker.make(Batch(0, tuple(planned)))]
    assert engine.drawn == [[wide, wide], [own, own]]
    assert [record["row"] for record in records] == [0, 1, 2, 3, 4]
    assert [record["width"] for record in records] == [96, 64, 96, 64, None]
    assert records[4]["status"] == "failed"
    assert records[4]["reason"].startswith("width is 50; this model takes multiples of 8")
