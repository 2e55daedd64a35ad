"""Failed requests made after all."""

import pytest
from PIL import Image

from pipeline.config_tables import Faults
from pipeline.corpora import retry
from pipeline.corpora.merge import merge
from pipeline.corpora.refilter import refilter
from pipeline.corpora.retry import Reopened, reopen
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from pipeline.storage.files import read_json
from tests.support.corpora import ROWS, contents_of, fail_on_warning, rows_of


def _with_images(folder, missing=()):
    """The rows with a source image each, of which some do not exist."""
    for n in range(30):
        if n not in missing:
            Image.new("RGB", (64, 64), (8 * n, 0, 0)).save(folder / f"{n}.png")
    return [{**row, "image": f"{n}.png"} for n, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def known():
    """What undisturbed runs left, by their settings."""
    return {}


@pytest.fixture
def undisturbed(make_corpus, tmp_path, known):
    """What a run leaves under these settings if all images are there."""

    def contents(**settings):
        key = repr(settings)
        if key not in known:
            known[key] = contents_of(make_corpus("undisturbed", _with_images(tmp_path), **settings))
        return known[key]

    return contents


@pytest.mark.parametrize("missing", [(0,), (13, 14, 22), (29,), tuple(range(30))])
def test_what_failed_is_made_after_all_to_the_bytes_of_an_undisturbed_run(
    make_corpus, undisturbed, tmp_path, missing
):
    rows = _with_images(tmp_path, missing)
    out = make_corpus("out", rows)
    assert [row["row"] for row in rows_of(out) if row["status"] == "failed"] == list(missing)
    _with_images(tmp_path)
    assert reopen(out) == Reopened(len(missing), len({n // 4 for n in missing}))
    assert not read_json(out / "run.json")["complete"]
    make_corpus("out", rows)
    assert contents_of(out) == undisturbed()


@pytest.mark.parametrize(
    ("missing", "settings"),
    [((1,), {}), ((10, 19), {"keep_rejected": True}), ((1,), {"quota": 18}), ((10, 19), {})],
)
def test_a_request_made_after_all_displaces_its_near_duplicates(
    make_corpus, undisturbed, tmp_path, missing, settings
):
    """The same bytes as in a run in which nothing failed, where others were accepted instead."""
    settings = {"near_duplicates": 24, "min_confidence": 0.0} | settings
    rows = _with_images(tmp_path, missing)
    out = make_corpus("out", rows, **settings)
    before = rows_of(out)
    _with_images(tmp_path)
    assert reopen(out).requests == len(missing)
    make_corpus("out", rows, **settings)
    after = rows_of(out)
    revived = [
        new["key"]
        for old, new in zip(before, after, strict=True)
        if old["status"] == "rejected" and new["status"] == "accepted"
    ]
    assert revived  # else this test could not fail
    assert contents_of(out) == undisturbed(**settings)


def test_where_nothing_failed_nothing_is_reopened(make_corpus):
    out = make_corpus()
    before = contents_of(out)
    assert reopen(out) == Reopened()
    assert contents_of(out) == before
    assert verify(out) == []


@pytest.mark.parametrize("last", [1, 2, 4, 7, 11])
def test_an_interrupted_retry_loses_nothing(make_corpus, undisturbed, tmp_path, monkeypatch, last):
    """It dies at that of its file operations; a second one ends as if it had not."""
    rows = _with_images(tmp_path, (6, 17))
    out = make_corpus("out", rows)
    _with_images(tmp_path)
    count = 0

    def dying(call):
        def counted(*arguments, **options):
            nonlocal count
            count += 1
            if count == last:
                raise KeyboardInterrupt
            return call(*arguments, **options)

        return counted

    with monkeypatch.context() as context:
        context.setattr(retry.batches, "write_batch", dying(retry.batches.write_batch))
        context.setattr(retry, "write_run", dying(retry.write_run))
        context.setattr(type(out), "unlink", dying(type(out).unlink))
        try:
            reopen(out)
        except KeyboardInterrupt:
            assert count >= last  # leaving the lease counts, too
    make_corpus("out", rows)
    reopen(out)
    make_corpus("out", rows)
    assert contents_of(out) == undisturbed()


@pytest.mark.parametrize("command", ["merge", "refilter"])
def test_a_corpus_made_from_others_cannot_be_reopened(make_corpus, tmp_path, command):
    """No run makes its requests again: what a retry removes of it would be lost."""
    out = make_corpus(count=24, faults=Faults(failures=0.2))
    made = tmp_path / "made"
    if command == "merge":
        merge([out, make_corpus("other", count=7, seed=1)], made)
    else:
        refilter(out, made, [], {"min_confidence": 0.6}, fail_on_warning)
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=f"was made by {command}, not by a run"):
        reopen(made)
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before
