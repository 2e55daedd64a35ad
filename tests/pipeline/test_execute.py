"""The way of a run: the same bytes for any workers and any order, and through any interruption."""

import contextlib
import json
from dataclasses import replace

import pytest
from PIL import Image

from manifests.check import ManifestError
from muse.diffusion.compiling import Workload
from muse.mini import WEIGHTS
from pipeline import execute
from pipeline.config import Config
from pipeline.corpora.verify import verify
from pipeline.errors import RunStopped, UserError
from pipeline.output import batches
from pipeline.output.run.run_file import describe, read_run
from pipeline.planning.fingerprint import fingerprint
from pipeline.planning.manifest_input import checked_manifest
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.files import temporary_name, write_json
from pipeline.storage.lease import lease_file, machine
from pipeline.storage.log import reports
from tests.support.corpora import rows_of
from tests.support.local_runs import published, run_locally, stop_at, write_rows

SETTINGS = {
    "plain": {},
    "candidates": {"candidates": 3, "min_confidence": 0.7},
    "quota": {"quota": 6},
    "near-duplicates": {"near_duplicates": 24, "keep_rejected": True},
    "quota and near-duplicates": {"quota": 4, "near_duplicates": 24, "candidates": 2},
    "nothing accepted": {"min_confidence": 1.0, "keep_rejected": True},
}
EMOTIONS = ["awe", "fear", "contentment"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    emotions = [EMOTIONS[number % 3] for number in range(40)]
    return write_rows(tmp_path_factory.mktemp("run") / "m.parquet", 40, emotion=emotions)


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory):
    """What a run publishes under each of the settings, with one worker and in the plan's order."""
    expected = {}
    for name, settings in SETTINGS.items():
        output = tmp_path_factory.mktemp("undisturbed") / "out"
        run_locally(manifest, output, **settings)
        expected[name] = published(output)
    return expected


def batch_file(output, number):
    files = {file.number: file for file in batches.list_batches(output)}
    return batches.batch_path(output, files[number])


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_do_what_they_are_here_for(manifest, tmp_path, name):
    """Or the tests below would compare runs in which nothing happened."""
    run_locally(manifest, tmp_path / "out", **SETTINGS[name])
    rows = rows_of(tmp_path / "out")
    reasons = " ".join(row["reason"] or "" for row in rows)
    assert ("quota" in reasons) == ("quota" in name)
    assert ("near-duplicate of" in reasons) == ("near" in name)
    assert any(row["status"] == "accepted" for row in rows) == (name != "nothing accepted")
    assert [row["row"] for row in rows] == [*range(40)]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("workers", "seed"), [(2, 0), (4, 1)])
def test_workers_and_the_order_of_completion_change_no_byte(
    manifest, undisturbed, tmp_path, name, workers, seed
):
    run_locally(manifest, tmp_path / "out", LocalExecutor(workers, seed), **SETTINGS[name])
    assert published(tmp_path / "out") == undisturbed[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_that_stops_again_and_again_gives_the_same_bytes(
    manifest, undisturbed, tmp_path, name
):
    """Stopped at several batches, with other workers each time. No batch is made twice."""
    output = tmp_path / "out"
    for number in (0, 3, 4, 8, None):
        executor = LocalExecutor(3, seed=1, before_task=stop_at(number))
        with contextlib.suppress(RunStopped):
            run_locally(manifest, output, executor, **SETTINGS[name])
    assert published(output) == undisturbed[name]
    made = [report["batch"] for report in reports(output)]
    assert sorted(made) == [*range(10)]


@pytest.fixture(scope="module")
def one_shard(manifest, tmp_path_factory):
    output = tmp_path_factory.mktemp("one-shard") / "out"
    run_locally(manifest, output, shard_size=100)
    return published(output)


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_damaged_batch_file_is_made_again(manifest, one_shard, tmp_path, damage, number):
    output = tmp_path / "out"
    with contextlib.suppress(RunStopped):
        run_locally(manifest, output, LocalExecutor(4, 1, before_task=stop_at(5)), shard_size=100)
    file = batch_file(output, number)
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(data[:-9] if damage == "cut" else data[:50] + b"?" + data[51:])
    run_locally(manifest, output, shard_size=100)
    assert published(output) == one_shard


def test_a_batch_file_that_is_damaged_while_the_run_goes_on_is_made_again(
    manifest, undisturbed, tmp_path
):
    """Batch 1 is damaged while its shard waits for batch 0, which the third worker gets last."""
    output, damaged = tmp_path / "out", []

    def damage(task):
        if task.batch.number == 3 and not damaged:
            damaged.append(batch_file(output, 1))
            damaged[0].write_bytes(b"")

    executor = LocalExecutor(4, seed=5, before_task=damage)
    run_locally(manifest, output, executor)
    assert published(output) == undisturbed["plain"]


def test_a_finished_run_is_left_as_it_is(manifest, undisturbed, tmp_path):
    first = run_locally(manifest, tmp_path / "out")
    again = run_locally(manifest, tmp_path / "out")
    assert (first.already_done, again.already_done) == (False, True)
    assert again.counts == first.counts
    assert published(tmp_path / "out") == undisturbed["plain"]


@pytest.mark.parametrize("name", ["shards/00000000.tar", "metadata.parquet", "contact_sheet.png"])
def test_a_finished_run_that_is_damaged_is_refused_by_name(manifest, tmp_path, name):
    run_locally(manifest, tmp_path / "out")
    flip(tmp_path / "out" / name)
    with pytest.raises(UserError, match=f"is damaged:\n  {name}: its content is not what"):
        run_locally(manifest, tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    with pytest.raises(UserError, match=f"is damaged:\n  {name}: is missing"):
        run_locally(manifest, tmp_path / "out")
    assert not (tmp_path / "out" / name).exists()


def test_a_resumed_run_reads_what_was_committed_before_it_is_called_complete(manifest, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RunStopped):
        run_locally(manifest, out, LocalExecutor(before_task=stop_at(5)))
    flip(out / "shards" / "00000000.tar")
    with pytest.raises(UserError, match=r"damaged shards:\n  shards/00000000.tar: its content"):
        run_locally(manifest, out)
    assert not read_run(out).complete
    # The remedy that the message names.
    for marker in (out / "shards").glob("*.json"):
        marker.unlink()
    run_locally(manifest, out)
    assert verify(out) == []


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_nothing_of_the_work_is_left_behind(manifest, tmp_path):
    run_locally(manifest, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not {name for name in names if name.startswith(".") or name.endswith(".part")}
    assert not batches.list_batches(tmp_path / "out")
    assert not (tmp_path / "out" / "_state" / "lease.json").exists()


def test_other_settings_are_refused_with_the_difference(manifest, undisturbed, tmp_path):
    run_locally(manifest, tmp_path / "out")
    with pytest.raises(UserError, match=r"config.seed: 0 -> 5"):
        run_locally(manifest, tmp_path / "out", seed=5)
    assert published(tmp_path / "out") == undisturbed["plain"]


def test_a_run_of_before_compile_had_names_is_resumed_with_the_defaults(
    manifest, undisturbed, tmp_path, monkeypatch
):
    """`compile` was true or false, and false by default."""
    output = tmp_path / "out"

    def older(*arguments):
        run = describe(*arguments)
        parts = {**run.parts, "config": {**run.parts["config"], "compile": False}}
        config = {**run.config, "compile": False}
        return replace(run, parts=parts, config=config, fingerprint=fingerprint(parts))

    with monkeypatch.context() as patched, contextlib.suppress(RunStopped):
        patched.setattr(execute, "describe", older)
        run_locally(manifest, output, LocalExecutor(before_task=stop_at(5)))
    for _ in ("resumed", "found complete"):
        run_locally(manifest, output)
        assert read_run(output).config["compile"] is False
    # The others name the run.
    for name, data in undisturbed["plain"].items():
        assert name.endswith((".json", ".md")) or published(output)[name] == data
    assert [report["batch"] for report in reports(output)] == [*range(10)]


def test_a_run_with_a_damaged_shard_is_not_resumed(manifest, tmp_path):
    output = tmp_path / "out"
    with contextlib.suppress(RunStopped):
        run_locally(manifest, output, LocalExecutor(before_task=stop_at(8)))
    (output / "shards" / "00000000.parquet").write_bytes(b"")
    before = sorted(path.name for path in (output / "shards").iterdir())
    with pytest.raises(UserError, match=r"shards/00000000.parquet: has 0 bytes where"):
        run_locally(manifest, output)
    assert sorted(path.name for path in (output / "shards").iterdir()) == before
    assert not json.loads((output / "run.json").read_text())["complete"]


@pytest.mark.parametrize("renamed", [True, False])
def test_a_manifest_that_changes_while_it_is_read_stops_the_run(tmp_path, renamed):
    """Its rows would be made under the hash of other ones. Put back, it gives the same bytes."""
    manifest, out = write_rows(tmp_path / "m.parquet", 30), tmp_path / "out"
    original = manifest.read_bytes()
    other = write_rows(tmp_path / "other.parquet", 30, prompt=[f"a cat {n}" for n in range(30)])

    def change(task):
        if task.batch.number == 2:
            if renamed:
                other.rename(manifest)
            else:
                manifest.write_bytes(other.read_bytes())

    with pytest.raises(OSError, match="the manifest was changed while it was read"):
        run_locally(manifest, out, LocalExecutor(before_task=change))
    with pytest.raises(UserError, match="with other content"):
        run_locally(manifest, out)
    manifest.write_bytes(original)
    run_locally(manifest, out)
    assert all(row["prompt"].startswith("a dog") for row in rows_of(out))


def test_a_worker_of_other_software_is_refused(tmp_path):
    """The versions as the driver's process sees them, then as the worker does."""
    manifest = write_rows(tmp_path / "m.parquet", 4)

    class Elsewhere(LocalExecutor):
        def connect(self, job):
            return super().connect(replace(job, versions={**job.versions, "torch": "1.0"}))

    with pytest.raises(RunStopped, match=r"torch \S+ where the driver has 1\.0"):
        run_locally(manifest, tmp_path / "out", Elsewhere())


def test_what_a_driver_left_that_was_killed_at_its_end_is_cleared(make_corpus):
    """Its lease, and the batch files that it had not removed yet."""
    out = make_corpus()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    left = batches.batch_path(out, batches.BatchFile(0, "0" * 16, 4))
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half")
    (batches.folder(out) / temporary_name("00000001.parquet")).write_bytes(b"half")
    write_json(lease_file(out), {"token": "0", "count": 1, "machine": machine(), "pid": 0})
    assert make_corpus() == out
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


class Unloaded(LocalExecutor):
    """Ends a run before any model is loaded."""

    def connect(self, job):
        raise RunStopped("stopped by the test")


def test_a_run_warns_of_what_its_rows_make_before_a_model_is_loaded(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "photo.png")
    columns = {"image": ["photo.png", None], "width": [None, 4096], "height": [None, 4096]}
    prompts = {"prompt": ["a dog on a beach"] * 2}
    manifest = write_rows(tmp_path / "m.parquet", 2, **prompts, **columns)
    warnings = []
    settings = {"engine": "muse", "method": {"strength": 0.1, "steps": 4}}
    with pytest.raises(RunStopped):
        run_locally(manifest, tmp_path / "out", Unloaded(), on_warning=warnings.append, **settings)
    emotions, strength, size, source = warnings
    assert emotions.startswith("emotions: no effect")
    assert strength.startswith("method.strength = 0.1 leaves no step of method.steps = 4")
    assert "up to 4096 x 4096" in size
    assert source.startswith("1 of the first 1 source image(s) are not of the embedded model's")


def test_an_output_that_cannot_be_used_is_refused_before_the_models_are_located(manifest, tmp_path):
    """The model that is named here does not exist, which would be said otherwise."""
    settings = {"engine": "muse", "model": str(tmp_path / "nosuch")}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    (tmp_path / "file").touch()
    run_locally(manifest, tmp_path / "begun", engine="null")
    for output, message in {
        "other": "exists and is not a muse-batch run",
        "file/out": r"file/out cannot be written \(Not a directory\)",
        "begun/inside": "lies in .*, which is the output of a run",
        "begun": "holds another run, which differs in\n  config.engine",
    }.items():
        with pytest.raises(UserError, match=message):
            run_locally(manifest, tmp_path / output, **settings)
    changed = write_rows(tmp_path / "m.parquet", 41)
    settings = {"filters": {"x": 0.5}, "filter_models": {"x": f"{tmp_path}/nosuch:y"}}
    with pytest.raises(UserError, match=r"40 row\(s\), 40 request\(s\)\) -> .* \(41 row\(s\)"):
        run_locally(changed, tmp_path / "begun", **settings)


def test_sizes_in_rows_are_checked_where_the_model_is_downloaded_by_the_run(tmp_path, monkeypatch):
    """Before, the sizes of its images are not known."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    locate = execute.locate

    def download_and_locate(config, **options):
        folder = tmp_path / "hub" / "models--owner--name"
        (folder / "snapshots").mkdir(parents=True)
        (folder / "snapshots" / "abc").symlink_to(WEIGHTS / "diffusion")
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("abc")
        return locate(config, **options)

    monkeypatch.setattr(execute, "locate", download_and_locate)
    sizes = {"width": [64, 100], "height": [64, 64]}
    manifest = write_rows(tmp_path / "m.parquet", 2, **sizes)
    with pytest.raises(ManifestError, match="row 1, column 'width': is 100; this model takes"):
        run_locally(manifest, tmp_path / "out", Unloaded(), engine="muse", model="owner/name")


@pytest.mark.parametrize(
    ("columns", "settings", "one_size"),
    [
        ({}, {}, True),
        ({}, {"width": 64, "height": 64}, True),
        ({"width": [64, 32], "height": [32, 64]}, {}, False),
        ({"image": ["a.png", "b.png"]}, {}, False),
        ({"image": ["a.png", "b.png"]}, {"width": 64, "height": 64}, True),
    ],
)
def test_workers_are_told_how_much_a_run_has_to_do(tmp_path, columns, settings, one_size):
    config = Config(engine="null", **settings)
    manifest = checked_manifest(str(write_rows(tmp_path / "m.parquet", 2, **columns)), config)
    described = describe(manifest, "0", config, {})
    work = execute.make_job(tmp_path, config, {}, described, manifest, "").work
    assert work == Workload(2 * config.method.steps, one_size)
