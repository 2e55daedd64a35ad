"""Candidates, filters, and corpora made from corpora, on the null engine, whose images and scores come from seeds."""

import json
import random
import re
import shutil
import tarfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from jobs.world.models import build_classifier
from muse.classifiers.folder import open_image_model
from pipeline import run
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation import verdicts as filters
from pipeline.generation.samples import Maker
from pipeline.generation.scores import load_scores
from pipeline.generation.source_images import looks
from pipeline.models.locate import load
from pipeline.output import batches, retry
from pipeline.output.merge import merge
from pipeline.output.refilter import refilter
from pipeline.output.retry import Reopened, reopen
from pipeline.output.verify import verify
from pipeline.planning.plan import PlannedRequest, derive_seed, next_candidate
from pipeline.scheduling import driver as compute
from pipeline.storage.files import read_json, sha256_folder
from pipeline.storage.log import reports
from tests.support import drive

ROWS = [{"prompt": f"a dog {n}", "emotion": "awe", "rating": n} for n in range(30)]


def _alone(manifest, job, publisher, lease, run, executor):
    """As `compute.compute`, in this process: the batches in the order of the plan."""
    engine, scores = load(job.models, job.config, False), load_scores(job.config, job.models, False)
    maker = Maker(engine, scores, job.config, job.shared, job.base)
    for batch in compute.batches_of(manifest, job.config):
        if batch.number >= publisher.start.batch and batch.number not in batches.finished_batches(
            job.output
        ):
            batches.write_batch(job.output, batch.number, maker.make(batch), job.schema)
    return Counter()


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes a corpus without Ray, or resumes it."""
    monkeypatch.setattr(run, "compute", _alone)

    def made(name="out", rows=ROWS, **settings):
        manifest = tmp_path / f"{len(rows)}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), manifest)
        known = {
            "engine": "null",
            "batch_size": 4,
            "shard_size": 5,
            "emotions": ("awe",),
        } | settings
        run.execute(str(manifest), tmp_path / name, Config(**known), print)
        assert verify(tmp_path / name) == []
        return tmp_path / name

    return made


def _rows(out):
    return pq.read_table(out / "metadata.parquet").to_pylist()


def _bytes(out):
    return {
        path.name: path.read_bytes()
        for path in [*(out / "shards").iterdir(), out / "metadata.parquet"]
    }


def _never(text):
    raise AssertionError(text)


# Candidates


def test_a_rejected_request_is_tried_again_with_the_next_seeds_and_the_best_is_kept(make):
    """P(all rejected) is 0.7^1 with one candidate and 0.7^6 = 12 % with six; 30 requests, run seed 0."""
    one, six = (_rows(make(f"{k}", min_confidence=0.7, candidates=k)) for k in (1, 6))
    for few, many in zip(one, six, strict=True):
        assert many["judge_confidence"] >= few["judge_confidence"]
        assert (few["tried"], few["candidate"]) == (1, 0)
        if few["status"] == "accepted":
            assert (many["tried"], many["candidate"], many["seed"]) == (1, 0, few["seed"])
        if many["status"] == "accepted":
            assert many["tried"] == many["candidate"] + 1
        else:
            assert many["tried"] == 6
        assert many["seed"] == derive_seed(0, many["key"], many["candidate"])
    accepted = [sum(row["status"] == "accepted" for row in rows) for rows in (one, six)]
    assert accepted[0] < 15 < 22 < accepted[1]


def test_the_best_of_those_that_were_all_rejected_is_the_one_that_the_judge_likes_most(make):
    """What six candidates leave rejected, is what the best of six runs of one candidate each gives."""
    six = _rows(make("six", min_confidence=1.0, candidates=6))
    each = []
    for candidate in range(6):
        seeds = [derive_seed(0, row["key"], candidate) for row in six]
        rows = [{**row, "seed": seed} for row, seed in zip(ROWS, seeds, strict=True)]
        each.append(_rows(make(f"{candidate}", rows, min_confidence=1.0)))
    for number, row in enumerate(six):
        confidences = [rows[number]["judge_confidence"] for rows in each]
        assert row["judge_confidence"] == max(confidences)
        assert row["candidate"] == confidences.index(max(confidences))


def test_a_rows_own_seed_is_candidate_0_and_the_root_of_the_others():
    first = PlannedRequest("000000001", 0, None, "a", "", {"awe": 1.0}, None, 42, 0, {})
    second = next_candidate(first, 42, run_seed=0)
    third = next_candidate(second, 42, run_seed=0)
    assert (second.seed, second.candidate) == (derive_seed(42, "000000001", 1), 1)
    assert (third.seed, third.candidate) == (derive_seed(42, "000000001", 2), 2)


def test_candidates_change_no_byte_with_the_number_of_workers(tmp_path):
    manifest = drive.write_manifest(tmp_path / "m.parquet", [f"a dog {n}" for n in range(24)])
    more = [
        "--candidates",
        4,
        "--min-confidence",
        0.7,
        "--set",
        "near_duplicates=12",
        "--set",
        "keep_rejected=true",
    ]
    for workers in (1, 3):
        done = drive.run(manifest, tmp_path / f"{workers}", "--workers", workers, *more)
        assert done.returncode == 0, done.stderr
    assert _bytes(tmp_path / "1") == _bytes(tmp_path / "3")
    assert verify(tmp_path / "3") == []


# Filters


def test_image_text_similarity_has_a_threshold_and_a_reason(make):
    """The null engine's similarity is uniform in [0, 1]."""
    for row in _rows(make(min_similarity=0.6, min_confidence=0.2)):
        assert (row["status"] == "accepted") == (
            row["judge_confidence"] >= 0.2 and row["similarity"] >= 0.6
        )
        if row["judge_confidence"] >= 0.2 and row["status"] == "rejected":
            assert row["reason"] == f"image-text similarity {row['similarity']:.2f} < 0.6"


def test_a_filter_of_an_installed_package_scores_refuses_and_is_part_of_the_fingerprint(
    make, tmp_path, monkeypatch
):
    (tmp_path / "mine-1.0.dist-info").mkdir()
    (tmp_path / "mine-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n"
    )
    points = "[muse_batch.filters]\nredness = mine:redness\nbroken = mine:broken\n"
    (tmp_path / "mine-1.0.dist-info" / "entry_points.txt").write_text(points)
    (tmp_path / "mine.py").write_text(
        "def redness(image, record):\n    return image.resize((1, 1)).getpixel((0, 0))[0] / 255\n"
        "def broken(image, record):\n    return float('nan')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    out = make(filters={"redness": 0.5}, min_confidence=0.0)
    rows = _rows(out)
    assert {row["status"] for row in rows} == {"accepted", "rejected"}
    for row in rows:
        assert (row["status"] == "accepted") == (row["scores"]["redness"] >= 0.5)
        assert row["status"] == "accepted" or row["reason"].startswith("redness 0.")
    assert read_json(out / "run.json")["parts"]["filters"] == {
        "redness": "mine:redness of mine 1.0"
    }
    with pytest.raises(ValueError, match="filter broken gave nan"):
        make("broken", filters={"broken": 0.5})


def test_a_filter_that_is_not_installed_is_refused_before_anything_is_made(make, tmp_path):
    with pytest.raises(UserError, match=r"filters.beauty: no installed package offers it"):
        make(filters={"beauty": 0.5})
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def safety(tmp_path_factory):
    """A classifier of random weights and labels of its own, saved as users have it."""
    folder = tmp_path_factory.mktemp("models") / "safety"
    torch.manual_seed(3)
    build_classifier("resnet", ["Normal", "nsfw"]).save_pretrained(folder)
    settings = {
        "size": {"height": 32, "width": 32},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def _median(values):
    return sorted(values)[len(values) // 2]


def test_a_filter_by_a_classifier_scores_its_label_and_its_threshold_is_applied_late(
    make, safety, tmp_path
):
    every = make(
        "every",
        filters={"safety": 0.0},
        filter_models={"safety": f"{safety}:normal"},
        min_confidence=0.0,
    )
    scores = [row["scores"]["safety"] for row in _rows(every)]
    with tarfile.open(every / "shards" / "00000.tar") as archive:
        picture = Image.open(archive.extractfile("000000000.png")).convert("RGB")
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    model, preprocessing = open_image_model(safety)
    probs = model(pixel_values=preprocessing(pixels)).logits.softmax(-1)[0].tolist()
    assert scores[0] == pytest.approx(probs[0], abs=1e-5)
    assert len({*scores}) > 20
    least = _median(scores)
    refilter(every, tmp_path / "late", [f"filters.safety={least}"], {}, _never)
    # Drawn under the threshold, in batches of another size: the same scores, the same verdicts.
    early = make(
        "early",
        filters={"safety": least},
        filter_models={"safety": f"{safety}:Normal"},
        min_confidence=0,
        batch_size=7,
    )
    assert [row["scores"]["safety"] for row in _rows(early)] == scores
    for late, row in zip(_rows(tmp_path / "late"), _rows(early), strict=True):
        assert (row["status"], row["reason"]) == (late["status"], late["reason"])
        assert (row["status"] == "accepted") == (row["scores"]["safety"] >= least)
        assert row["status"] == "accepted" or row["reason"].startswith("safety 0.")
    assert {row["status"] for row in _rows(early)} == {"accepted", "rejected"}
    with pytest.raises(UserError, match="filter_models: cannot be changed"):
        refilter(every, tmp_path / "other", [f"filter_models.safety={safety}:nsfw"], {}, _never)


def test_a_filters_model_is_part_of_the_fingerprint_by_content_and_label_wherever_it_lies(
    make, safety, tmp_path
):
    settings = {"filters": {"safety": 0.1}, "min_confidence": 0.0}
    out = make(filter_models={"safety": f"{safety}:normal"}, **settings)
    parts = read_json(out / "run.json")["parts"]
    assert parts["models"]["filter_models.safety"] == {
        "name": str(safety),
        "sha256": sha256_folder(safety),
    }
    assert "filter_models.safety" in (out / "README.md").read_text()
    moved = tmp_path / "moved"
    shutil.copytree(safety, moved)
    with pytest.raises(UserError, match="--adopt continues the run"):
        make(filter_models={"safety": f"{moved}:normal"}, **settings)
    with pytest.raises(UserError, match=r"filters.safety: .*normal.*nsfw") as caught:
        make(filter_models={"safety": f"{safety}:nsfw"}, **settings)
    assert "--adopt" not in str(caught.value)
    (moved / "classifier.json").write_text('{"temperature": 2.0}')
    with pytest.raises(UserError, match=r"models.filter_models.safety.sha256") as caught:
        make(filter_models={"safety": f"{moved}:normal"}, **settings)
    assert "--adopt" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            "{}:safe",
            "config: filter_models.safety '{}': it has no label 'safe'; choose normal, nsfw",
        ),
        ("{}/none:normal", "config: filter_models.safety '{}/none': there is no such folder"),
    ],
)
def test_a_filter_without_its_model_or_label_is_refused_before_anything_is_made(
    make, safety, tmp_path, told, message
):
    with pytest.raises(UserError, match=re.escape(message.format(safety))):
        make(filters={"safety": 0.5}, filter_models={"safety": told.format(safety)})
    assert not (tmp_path / "out").exists()


def test_a_filters_model_of_pickled_weights_is_refused(make, safety, tmp_path):
    shutil.copytree(safety, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"filter_models.safety .*pytorch_model.bin is pickled"):
        make(filters={"safety": 0.5}, filter_models={"safety": f"{tmp_path / 'pickled'}:normal"})


def test_workers_load_a_filters_model_and_their_number_changes_no_byte(safety, tmp_path):
    manifest = drive.write_manifest(tmp_path / "m.parquet", [f"a dog {n}" for n in range(12)])
    more = ["--set", "filters.safety=0.5", "--set", f"filter_models.safety={safety}:normal"]
    for workers in (1, 2):
        done = drive.run(manifest, tmp_path / f"{workers}", "--workers", workers, *more)
        assert done.returncode == 0, done.stderr
    assert _bytes(tmp_path / "1") == _bytes(tmp_path / "2")
    assert all(0 < row["scores"]["safety"] < 1 for row in _rows(tmp_path / "1"))


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_are_refused_by_hamming_distance_in_order(seed):
    """Against the plain rule on random codes, a third of them one earlier code with up to 6 bits flipped."""
    rng, codes = random.Random(seed), []
    for _ in range(200):
        code = rng.getrandbits(64)
        if codes and rng.random() < 0.3:
            code = rng.choice(codes)
            for _ in range(rng.randrange(7)):
                code ^= 1 << rng.randrange(64)
        codes.append(code)
    seen, kept = filters.NearDuplicates(4), []
    for number, code in enumerate(codes):
        alike = any(bin(code ^ codes[other]).count("1") <= 4 for other in kept)
        reason = seen.reason(f"{code:016x}")
        assert bool(reason) == alike
        if not alike:
            seen.add(f"{number}", f"{code:016x}")
            kept.append(number)
    assert 100 < len(kept) < 180


def test_the_hash_of_a_look_outlives_size_and_brightness_and_tells_pictures_apart():
    pictures = [
        Image.effect_noise((8, 8), 90).resize((64, 64), Image.Resampling.BICUBIC) for _ in range(2)
    ]
    codes = [int(looks(picture), 16) for picture in pictures]
    smaller = int(looks(pictures[0].resize((48, 48)).point(lambda value: value * 0.8)), 16)
    assert (codes[0] ^ smaller).bit_count() <= 6
    assert (codes[0] ^ codes[1]).bit_count() > 12


def test_of_the_same_pictures_one_is_accepted_and_any_restart_refuses_the_same(make, tmp_path):
    """Rows 3k have seeds of their own; the null engine draws 64 cells of noise, of which some are within 20 bits."""
    out = make("once", near_duplicates=20, min_confidence=0.0)
    rows = _rows(out)
    refused = [row for row in rows if row["status"] == "rejected"]
    assert 3 <= len(refused) <= 25
    accepted = {row["key"]: int(row["looks"], 16) for row in rows if row["status"] == "accepted"}
    for row in refused:
        original = row["reason"].removeprefix("near-duplicate of ").partition(":")[0]
        assert original < row["key"]
        assert (accepted[original] ^ int(row["looks"], 16)).bit_count() <= 20
    for a, code in accepted.items():
        assert all((code ^ other).bit_count() > 20 for b, other in accepted.items() if a < b)
    before = _bytes(out)
    described = read_json(out / "run.json")
    for marker in (out / "shards").glob(
        "*.json"
    ):  # as if the driver had died after the first shard
        if marker.name != "00000.json":
            marker.unlink()
    (out / "run.json").write_text(json.dumps({**described, "complete": False}))
    make("once", near_duplicates=20, min_confidence=0.0)
    assert _bytes(out) == before


# Quotas


@pytest.mark.parametrize("by", ["emotion", "mood"])
def test_a_quota_is_met_in_the_order_of_the_plan_and_what_is_full_is_not_made(make, by):
    """Against the plain rule: of a run without a quota, the first 4 accepted of each cell."""
    rows = [
        {"prompt": f"a dog {n}", "emotion": ["awe", "fear", "awe"][n % 3], "mood": f"{n % 2}"}
        for n in range(60)
    ]
    every = _rows(make("all", rows))
    some = _rows(make("some", rows, quota=4, quota_by=by))
    counts: Counter[str] = Counter()
    for free, asked in zip(every, some, strict=True):
        cell = free["emotion"] if by == "emotion" else free["manifest"]["mood"]
        if counts[cell] == 4:
            assert asked["status"] == "rejected"
            assert asked["reason"] == f"quota: {by} {cell} has its 4 accepted before"
            assert (asked["tried"], asked["seed"], asked["judge_confidence"]) == (0, -1, 0)
        else:
            assert (asked["status"], asked["judge"]) == (free["status"], free["judge"])
            counts[cell] += asked["status"] == "accepted"
    assert set(counts.values()) == {4}


def test_a_quota_changes_no_byte_with_the_number_of_workers_and_saves_work(tmp_path):
    """What was in work when a cell filled up is dropped as if it had never been made."""
    manifest = drive.write_manifest(tmp_path / "m.parquet", [f"a dog {n}" for n in range(60)])
    for workers in (1, 3):
        done = drive.run(
            manifest, tmp_path / f"{workers}", "--workers", workers, "--quota", 7, "--candidates", 2
        )
        assert done.returncode == 0, done.stderr
        assert "7 accepted, 53 rejected" in done.stdout
    assert _bytes(tmp_path / "1") == _bytes(tmp_path / "3")
    log = list(reports(tmp_path / "1"))
    assert (
        sum(report["pid"] == log[0]["pid"] for report in log) < 10
    )  # of 15 batches; the others were never drawn
    assert verify(tmp_path / "1") == []


def test_a_quota_by_a_column_that_is_not_there_is_refused(make):
    with pytest.raises(
        UserError,
        match="quota_by is 'mode', which is no further column of the manifest; choose emotion",
    ):
        make(quota=2, quota_by="mode")


def test_a_quota_can_be_set_late(make, tmp_path):
    counts = refilter(make(), tmp_path / "late", ["quota=3"], {}, _never)
    assert counts["accepted"] == 3
    assert verify(tmp_path / "late") == []


# Late thresholds


@pytest.mark.parametrize("settings", [{}, {"candidates": 3, "image_format": "webp"}])
def test_the_same_thresholds_make_the_same_corpus(make, tmp_path, settings):
    out = make(**settings)
    refilter(out, tmp_path / "again", [], {}, _never)
    assert verify(tmp_path / "again") == []
    assert _bytes(tmp_path / "again") == _bytes(out)


def test_a_raised_threshold_gives_what_a_run_under_it_gives(make, tmp_path):
    strict = make("strict", min_confidence=0.8)
    counts = refilter(make(), tmp_path / "late", [], {"min_confidence": 0.8}, _never)
    assert verify(tmp_path / "late") == []
    assert counts == read_json(strict / "run.json")["counts"]
    mine, theirs = _rows(tmp_path / "late"), _rows(strict)
    assert [{**row, "fingerprint": ""} for row in mine] == [
        {**row, "fingerprint": ""} for row in theirs
    ]
    with (
        tarfile.open(tmp_path / "late" / "shards" / "00000.tar") as one,
        tarfile.open(strict / "shards" / "00000.tar") as two,
    ):
        for name in (name for name in one.getnames() if name.endswith(".png")):
            assert one.extractfile(name).read() == two.extractfile(name).read()


def test_a_lowered_threshold_brings_back_what_was_kept_and_tells_of_what_was_not(make, tmp_path):
    told = []
    counts = refilter(make("lost"), tmp_path / "late", [], {"min_confidence": 0.2}, told.append)
    assert counts["accepted"] == read_json(tmp_path / "lost" / "run.json")["counts"]["accepted"]
    below = [row for row in _rows(tmp_path / "lost") if 0.2 <= row["judge_confidence"] < 0.5]
    assert told[0].startswith(f"{len(below)} sample(s) reach the thresholds but stay rejected")
    assert verify(tmp_path / "late") == []
    kept = make("kept", keep_rejected=True)
    refilter(kept, tmp_path / "back", [], {"min_confidence": 0.2}, _never)
    assert verify(tmp_path / "back") == []
    direct = make("direct", keep_rejected=True, min_confidence=0.2)
    assert [row["status"] for row in _rows(tmp_path / "back")] == [
        row["status"] for row in _rows(direct)
    ]


def test_where_nothing_was_accepted_the_kept_images_still_make_a_corpus(make, tmp_path):
    none = make(min_confidence=1.0, keep_rejected=True)
    assert not (none / "shards").exists()
    counts = refilter(none, tmp_path / "late", [], {"min_confidence": 0.5}, _never)
    assert counts["accepted"] > 5
    assert verify(tmp_path / "late") == []


def test_what_needs_new_images_is_refused(make, tmp_path):
    out = make()
    for assignment, message in (
        ("seed=5", "seed: cannot be changed"),
        ("filters.beauty=1", "has no scores of it"),
    ):
        with pytest.raises(UserError, match=message):
            refilter(out, tmp_path / "late", [assignment], {}, _never)
    with pytest.raises(UserError, match="is not a muse-batch run"):
        refilter(out, out.parent, [], {}, _never)
    with pytest.raises(UserError, match="is not the output of a run"):
        refilter(tmp_path, tmp_path / "late", [], {}, _never)
    with pytest.raises(UserError, match="holds a run with other settings"):
        refilter(out, out, [], {"min_confidence": 0.9}, _never)


def test_a_changed_rejected_tar_is_found(make):
    out = make(keep_rejected=True)
    tar = out / "rejected" / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    assert (
        verify(out)[0]
        == "rejected/00000.tar: its content is not what was committed (SHA-256 differs)"
    )


# Merging


def test_a_merged_corpus_holds_both_with_new_keys(make, tmp_path):
    one = make("one")
    two = make(
        "two",
        rows=[{"prompt": f"a cat {n}", "emotion": "fear", "mood": "x"} for n in range(11)],
        seed=3,
        shard_size=2,
    )
    counts = merge([one, two], tmp_path / "both")
    assert verify(tmp_path / "both") == []
    rows = _rows(tmp_path / "both")
    assert counts["requests"] == len(rows) == 41
    changed = {"key", "batch", "manifest"}
    for new, old in zip(rows, [*_rows(one), *_rows(two)], strict=True):
        assert {k: v for k, v in new.items() if k not in changed} == {
            k: v for k, v in old.items() if k not in changed
        }
    assert rows[0]["manifest"] == {"rating": 0, "mood": None}
    assert rows[40]["manifest"] == {"rating": None, "mood": "x"}
    again = merge([one, two], tmp_path / "both")
    assert again == counts


def test_corpora_that_do_not_fit_are_not_merged(make, tmp_path):
    one, two = make("one"), make("two", image_format="webp")
    with pytest.raises(UserError, match="differ in image_format"):
        merge([one, two], tmp_path / "both")


# Retrying


def _with_images(folder, missing=()):
    for n in range(30):
        if n not in missing:
            Image.new("RGB", (64, 64), (8 * n, 0, 0)).save(folder / f"{n}.png")
    return [{**row, "image": f"{n}.png"} for n, row in enumerate(ROWS)]


@pytest.mark.parametrize("missing", [(0,), (13, 14, 22), (29,), tuple(range(30))])
@pytest.mark.parametrize("settings", [{}, {"keep_rejected": True, "near_duplicates": 10}])
def test_what_failed_is_made_after_all_to_the_bytes_of_an_undisturbed_run(
    make, tmp_path, missing, settings
):
    rows = _with_images(tmp_path, missing)
    out = make("out", rows, **settings)
    assert [row["row"] for row in _rows(out) if row["status"] == "failed"] == list(missing)
    _with_images(tmp_path)
    assert reopen(out) == Reopened(len(missing), len({n // 4 for n in missing}))
    assert not read_json(out / "run.json")["complete"]
    assert _bytes(make("out", rows, **settings)) == _bytes(make("undisturbed", rows, **settings))


def test_where_nothing_failed_nothing_is_reopened(make):
    out = make()
    before = _bytes(out)
    assert reopen(out) == Reopened()
    assert _bytes(out) == before
    assert verify(out) == []


@pytest.mark.parametrize("seed", range(8))
def test_an_interrupted_retry_loses_nothing(make, tmp_path, monkeypatch, seed):
    """Seeded: it dies at one of its file operations; then the run, and a second retry, end as if it had not."""
    rows = _with_images(tmp_path, (6, 17))
    out = make("out", rows)
    _with_images(tmp_path)
    count, rng = 0, random.Random(seed)
    last = rng.randrange(1, 14)

    def dying(call):
        def counted(*arguments, **options):
            nonlocal count
            count += 1
            if count == last:
                raise KeyboardInterrupt
            return call(*arguments, **options)

        return counted

    with monkeypatch.context() as context:
        context.setattr(retry.batches, "write_batch", dying(batches.write_batch))
        context.setattr(retry, "write_run", dying(retry.write_run))
        context.setattr(type(out), "unlink", dying(type(out).unlink))
        try:
            reopen(out)
        except KeyboardInterrupt:
            assert count >= last  # leaving the lease counts, too
    run.execute(
        str(tmp_path / "30.parquet"),
        out,
        Config(engine="null", batch_size=4, shard_size=5, emotions=("awe",)),
        print,
    )
    reopen(out)
    assert _bytes(make("out", rows)) == _bytes(make("undisturbed", rows))


def test_the_commands_tell_what_they_did(tmp_path):
    manifest = drive.write_manifest(tmp_path / "m.parquet", [f"a dog {n}" for n in range(12)])
    done = drive.run(
        manifest, tmp_path / "out", "--set", "null.failures=0.3", "--set", "keep_rejected=true"
    )
    assert done.returncode == 1

    def call(*arguments):
        command = [drive.sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
        return drive.subprocess.run(
            command, capture_output=True, text=True, timeout=drive.PATIENCE, check=False
        )

    late = call(
        "refilter", tmp_path / "out", "--min-confidence", 0.1, "--output", tmp_path / "late"
    )
    assert late.returncode == 0, late.stderr
    assert "12 requests: " in late.stdout
    both = call("merge", tmp_path / "out", tmp_path / "late", "--output", tmp_path / "both")
    assert "24 requests: " in both.stdout, both.stderr
    assert call("verify", tmp_path / "both").returncode == 0
    assert "complete" in call("status", tmp_path / "both").stdout
    assert call("retry", tmp_path / "out", "--status", "rejected").returncode == 2
    reopened = call("retry", tmp_path / "out")
    assert "reopened; the same run command makes them" in reopened.stdout
    assert (
        drive.run(
            manifest, tmp_path / "out", "--set", "null.failures=0.3", "--set", "keep_rejected=true"
        ).returncode
        == 1
    )


def test_samples_merged_in_without_a_filters_scores_pass_it_and_are_told(make, safety, tmp_path):
    scored = make(
        "scored",
        filters={"safety": 0.0},
        filter_models={"safety": f"{safety}:normal"},
        min_confidence=0.0,
    )
    blind = make("blind", rows=ROWS[:7], min_confidence=0.0)
    merge([scored, blind], tmp_path / "both")
    told: list[str] = []
    refilter(tmp_path / "both", tmp_path / "late", ["filters.safety=1.0"], {}, told.append)
    assert told == [
        "7 sample(s) have no score of filter safety and pass it: their corpus was made without it"
    ]
    assert [row["status"] for row in _rows(tmp_path / "late")] == ["rejected"] * 30 + [
        "accepted"
    ] * 7
