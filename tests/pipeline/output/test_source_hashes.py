"""Source images that are replaced while a run, or its resume, or a retry still needs them."""

from dataclasses import replace

import pytest
from PIL import Image

from pipeline.corpora.retry import reopen
from pipeline.corpora.verify import verify
from pipeline.errors import RunStopped, UserError
from pipeline.generation.engines.engine import EngineOutput
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.output.batches import list_batches
from pipeline.output.source_hashes import (
    SourceHash,
    SourceHashes,
    forget_kept_hashes,
    hashes_in,
    keep_hashes,
    kept_hashes,
)
from pipeline.planning.plan import PlannedRequest
from pipeline.scheduling.executors.local_executor import LocalExecutor
from tests.support.corpora import contents_of, rows_of
from tests.support.local_runs import run_locally, stop_at, write_rows

FIRST, SECOND = "a" * 64, "b" * 64


def planned(image, row=0):
    return PlannedRequest("0", row, None, "a dog", "", {"awe": 1.0}, image, 0, 0, {})


def test_the_hash_of_an_image_is_the_one_it_had_first():
    hashes = SourceHashes("/data")
    assert hashes.with_hash(planned("a.png")).image_sha256 is None
    assert not hashes.add([SourceHash("a.png", 0, FIRST)])
    assert not hashes.add([SourceHash("a.png", 7, FIRST), SourceHash("b.png", 1, SECOND)])
    assert hashes.add([SourceHash("a.png", 8, SECOND)])
    assert hashes.with_hash(planned("a.png", 9)).image_sha256 == FIRST
    assert hashes.with_hash(planned("b.png")).image_sha256 == SECOND
    assert hashes.with_hash(planned(b"encoded")).image_sha256 is None


def test_a_file_is_the_same_by_each_of_its_paths(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "link.png").symlink_to("a.png")
    hashes = SourceHashes(str(tmp_path))
    assert not hashes.add([SourceHash("a.png", 0, FIRST)])
    spellings = ["./a.png", "x/../a.png", f"{tmp_path}/a.png", f"file://{tmp_path}/a.png"]
    for name in [*spellings, f"file:{tmp_path}/a.png", "link.png"]:
        assert hashes.with_hash(planned(name, 5)).image_sha256 == FIRST, name
        assert hashes.add([SourceHash(name, 5, SECOND)]), name
    assert hashes.with_hash(planned("b.png")).image_sha256 is None


def test_a_link_that_is_led_to_another_file_is_noticed(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    link = tmp_path / "link.png"
    link.symlink_to("a.png")
    hashes = SourceHashes(str(tmp_path))
    assert not hashes.add([SourceHash("link.png", 0, FIRST)])
    link.unlink()
    link.symlink_to("b.png")
    assert hashes.with_hash(planned("link.png")).image_sha256 == FIRST
    assert hashes.add([SourceHash("link.png", 0, SECOND)])


def test_urls_that_differ_in_their_query_are_different_images():
    """Records have them without it, because it may be a signature."""
    hashes = SourceHashes("/data")
    url = "https://x.org/image"
    assert not hashes.add([SourceHash(url, 0, FIRST), SourceHash(url, 1, SECOND)])
    queries = [planned(f"{url}?id={row}", row) for row in (0, 1, 2)]
    assert [hashes.with_hash(request).image_sha256 for request in queries] == [FIRST, SECOND, None]


def test_masks_have_hashes_of_their_own():
    """Those at URLs with a query are told apart by their rows, and from the images of these."""
    hashes = SourceHashes("/data")
    url = "https://x.org/image"
    row = {"row": 3, "source_image": url, "source_sha256": FIRST}
    found = hashes_in([{**row, "mask": url, "mask_sha256": SECOND}, {**row, "mask": "m.png"}])
    assert [(source.sha256, source.is_mask) for source in found] == [
        (FIRST, False),
        (SECOND, True),
        (FIRST, False),
    ]
    assert not hashes.add([SourceHash("m.png", 0, FIRST, is_mask=True), *found])
    request = hashes.with_hash(replace(planned(f"{url}?a", 3), mask=f"{url}?b"))
    assert (request.image_sha256, request.mask_sha256) == (FIRST, SECOND)
    # One file has one hash, whatever it is used for.
    request = hashes.with_hash(replace(planned("m.png", 8), mask="./m.png"))
    assert (request.image_sha256, request.mask_sha256) == (FIRST, FIRST)


def test_kept_hashes_are_read_until_they_are_forgotten_and_damage_is_refused(tmp_path):
    first, second = SourceHash("a.png", 0, FIRST), SourceHash("b.png", 1, SECOND, is_mask=True)
    keep_hashes(tmp_path, [first])
    keep_hashes(tmp_path, [second])
    keep_hashes(tmp_path, [])
    assert {*kept_hashes(tmp_path)} == {first, second}
    (file, _) = (tmp_path / "_state" / "source_images").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match=f"{file.name} is damaged"):
        list(kept_hashes(tmp_path))
    forget_kept_hashes(tmp_path)
    assert list(kept_hashes(tmp_path)) == []


@pytest.fixture
def world(tmp_path):
    """A manifest of 12 rows, of which three have the same photograph, and two a missing one."""
    images = [f"{n}.png" for n in range(12)]
    images[5] = images[9] = images[1]
    write_rows(tmp_path / "m.parquet", 12, image=images)
    for n in range(12):
        paint(tmp_path / f"{n}.png", 10 * n)
    return tmp_path


def paint(path, red):
    Image.new("RGB", (64, 64), (red, 0, 0)).save(path)


def make(world, name="out", stop=None, **options):
    executor = LocalExecutor(before_task=stop_at(stop), **options)
    settings = {"batch_size": 2, "min_confidence": 0.0}
    return run_locally(world / "m.parquet", world / name, executor, **settings)


def failed(world):
    return {r["row"]: r["reason"] for r in rows_of(world / "out") if r["status"] == "failed"}


def assert_mended(world):
    """With the image back, a retry leads to the bytes of a run that nothing disturbed."""
    paint(world / "1.png", 10)
    reopen(world / "out")
    make(world)
    make(world, "undisturbed")
    assert contents_of(world / "out") == contents_of(world / "undisturbed")
    assert verify(world / "out") == []
    assert list(kept_hashes(world / "out")) == []


def test_a_resume_fails_the_requests_whose_image_was_replaced_and_says_so(world):
    with pytest.raises(RunStopped):
        make(world, stop=2)
    paint(world / "1.png", 200)
    paint(world / "8.png", 200)  # was not read yet
    assert make(world).counts["failed"] == 2
    reasons = failed(world)
    assert reasons.keys() == {5, 9}
    records = rows_of(world / "out")
    before = records[1]["source_sha256"]
    assert "image '1.png' was changed after this run had read it" in reasons[5]
    assert f"its SHA-256 was '{before[:12]}...'" in reasons[5]
    assert "put the image back and retry the request" in reasons[5]
    assert records[5]["source_sha256"] == before
    # A retry without the remedy ends the same way.
    reopen(world / "out")
    make(world)
    assert failed(world) == reasons
    paint(world / "8.png", 80)
    paint(world / "1.png", 10)
    reopen(world / "out")
    make(world)
    # The batch of row 8 was made again, and its image is another one than it was made of.
    assert failed(world).keys() == {8}


def test_a_resume_notices_a_change_since_batches_that_no_shard_holds_yet(world):
    with pytest.raises(RunStopped):
        make(world, stop=1)
    assert not (world / "out" / "shards").exists()
    paint(world / "1.png", 200)
    make(world)
    assert failed(world).keys() == {5, 9}
    assert_mended(world)


@pytest.mark.parametrize("is_stopped_again", [False, True])
def test_the_run_after_a_pilot_notices_a_change_since_a_batch_that_it_drops(
    world, is_stopped_again
):
    """The pilot's last batch was cut short by its limit and is in no shard; it is made again."""

    def stop(_):
        raise RunStopped("stopped by the test")

    settings = {"batch_size": 2, "min_confidence": 0.0}
    arguments = world / "m.parquet", world / "out"
    with pytest.raises(RunStopped):
        run_locally(*arguments, LocalExecutor(before_pack=stop), limit=3, **settings)
    assert len(list_batches(world / "out")) == 2
    if is_stopped_again:
        with pytest.raises(RunStopped):
            make(world, stop=1)
        assert len(list_batches(world / "out")) == 1
    paint(world / "2.png", 200)
    make(world)
    assert failed(world).keys() == {2}
    paint(world / "2.png", 20)
    assert_mended(world)


def test_a_retry_notices_that_an_image_of_a_reopened_batch_was_replaced(world):
    (world / "0.png").unlink()
    make(world)
    assert failed(world).keys() == {0}
    paint(world / "0.png", 0)
    paint(world / "1.png", 200)
    reopen(world / "out")
    make(world)
    assert failed(world).keys() == {1}
    assert_mended(world)


def test_a_request_whose_engine_failed_keeps_its_image(world, monkeypatch):
    draw_one = NullEngine._draw_one

    def failing(engine, request):
        is_third = request.planned.row == 3
        return EngineOutput(None, failure="injected") if is_third else draw_one(engine, request)

    with monkeypatch.context() as context:
        context.setattr(NullEngine, "_draw_one", failing)
        make(world)
    assert failed(world) == {3: "injected"}
    paint(world / "3.png", 200)
    reopen(world / "out")
    make(world)
    assert "'3.png' was changed" in failed(world)[3]


def test_an_image_that_is_replaced_while_two_batches_are_made_fails_the_later_one(world):
    def replace_it(task):
        if task.batch.number == 2:
            paint(world / "1.png", 200)

    executor = LocalExecutor(workers=3, before_task=replace_it)
    run_locally(world / "m.parquet", world / "out", executor, batch_size=2, min_confidence=0.0)
    assert failed(world).keys() == {5, 9}
    assert_mended(world)


def draw_mask(path, rows):
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 64, rows))
    mask.save(path)


def test_a_mask_that_was_replaced_fails_the_requests_that_are_made_with_it(tmp_path):
    masks = ["a.png", "b.png", "a.png", "none.png", "b.png", "a.png"]
    write_rows(tmp_path / "m.parquet", 6, image=["0.png"] * 6, mask=masks)
    paint(tmp_path / "0.png", 10)
    for name in ("a.png", "b.png"):
        draw_mask(tmp_path / name, 16)
    with pytest.raises(RunStopped):
        make(tmp_path, stop=1)
    draw_mask(tmp_path / "a.png", 32)
    make(tmp_path)
    reasons = failed(tmp_path)
    assert reasons.keys() == {2, 3, 5}
    assert reasons[2].startswith("mask: image 'a.png' was changed after this run had read it")
    records = rows_of(tmp_path / "out")
    assert records[2]["mask_sha256"] == records[0]["mask_sha256"]
    # A mask that never was one may be given later; one that changed has to be put back.
    draw_mask(tmp_path / "none.png", 16)
    reopen(tmp_path / "out")
    make(tmp_path)
    assert failed(tmp_path).keys() == {2, 5}
    draw_mask(tmp_path / "a.png", 16)
    reopen(tmp_path / "out")
    make(tmp_path)
    make(tmp_path, "undisturbed")
    assert contents_of(tmp_path / "out") == contents_of(tmp_path / "undisturbed")


def test_a_mask_that_does_not_fit_may_be_replaced(tmp_path):
    """Nothing was made with it, though its file could be read."""
    write_rows(tmp_path / "m.parquet", 1, image=["0.png"], mask=["a.png"])
    paint(tmp_path / "0.png", 10)
    Image.new("L", (64, 32), 255).save(tmp_path / "a.png")
    make(tmp_path)
    assert failed(tmp_path).keys() == {0}
    draw_mask(tmp_path / "a.png", 16)
    reopen(tmp_path / "out")
    make(tmp_path)
    assert failed(tmp_path) == {}
