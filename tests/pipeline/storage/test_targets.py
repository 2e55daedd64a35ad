"""Where commands refuse to write: into corpora, and through links that lead nowhere."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.storage.targets import is_run_folder, refuse_place, refuse_target
from tests.support import drive


def test_a_place_in_a_corpus_is_refused_by_name(tmp_path):
    (tmp_path / "out" / "shards").mkdir(parents=True)
    (tmp_path / "out" / "run.json").touch()
    (tmp_path / "link").symlink_to("out/shards")
    for place in ("out/new", "out/shards/x/new", "link/new"):
        with pytest.raises(UserError, match=r"lies in .*/out, which is the output of a run"):
            refuse_target(tmp_path / place)
    refuse_target(tmp_path / "out")
    refuse_target(tmp_path / "new")


@pytest.mark.parametrize(
    ("content", "beside", "is_run"),
    [
        ('{"fingerprint": "0", "parts": {}}', None, True),
        ('{"fingerprint": "0", "par', "shards", True),
        ("", "_state", True),
        ('{"id": 7, "parts": 2}', "shards", False),
        ("[1]", None, False),
        ("not JSON", None, False),
        (None, "_state", False),
    ],
)
def test_the_run_json_of_another_program_makes_no_corpus(tmp_path, content, beside, is_run):
    out = tmp_path / "out"
    (out / (beside or "data")).mkdir(parents=True)
    if content is not None:
        (out / "run.json").write_text(content)
    assert is_run_folder(out) == is_run
    if is_run:
        with pytest.raises(UserError, match="is the output of a run"):
            refuse_target(out / "new")
    else:
        refuse_target(out / "new")


def test_a_link_that_leads_nowhere_is_refused_by_name(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match="link is a link to nowhere, which does not exist"):
        refuse_target(tmp_path / "link")
    (tmp_path / "nowhere").mkdir()
    refuse_target(tmp_path / "link")
    # A loop leads nowhere, either; what is below it is refused where it is written.
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="loop is a link to loop"):
        refuse_target(tmp_path / "loop")
    refuse_target(tmp_path / "loop" / "file")


@pytest.fixture
def manifest(tmp_path) -> Path:
    return drive.write_manifest(tmp_path / "m.parquet", ["a dog"] * 4)


def test_no_command_writes_there(make_corpus, manifest, tmp_path):
    out = make_corpus(batch_size=8)
    before = sorted(out.rglob("*"))
    new = out / "new"
    for words in (
        ["export", out, "--to", "imagefolder", "-o", new],
        ["refilter", out, "-o", new, "--min-confidence", 0.9],
        ["plan", manifest, "--engine", "null", "-o", out / "plan.parquet"],
        ["manifest", "build", manifest, "-o", out / "m.parquet"],
        ["try", manifest, "--set", "engine=null", "-o", new],
        drive.run_arguments(manifest, new, "--executor", "local"),
    ):
        done = drive.command(*words)
        assert done.returncode == 2, words
        assert "which is the output of a run" in done.stderr, (words, done.stderr)
    assert sorted(out.rglob("*")) == before


def test_no_command_follows_a_dangling_link(make_corpus, manifest, tmp_path):
    out, link = make_corpus(batch_size=8), tmp_path / "link"
    link.symlink_to("nowhere")
    for words in (
        ["export", out, "--to", "imagefolder", "-o", link],
        ["refilter", out, "-o", link, "--min-confidence", 0.9],
        drive.run_arguments(manifest, link, "--executor", "local"),
    ):
        done = drive.command(*words)
        assert (done.returncode, "link to nowhere" in done.stderr) == (2, True), words


def test_a_folder_that_cannot_be_made_or_written_is_refused_with_the_cause(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/a/out cannot be written \(Not a directory\)"):
        refuse_place(tmp_path / "file" / "a" / "out")
    refuse_place(tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()
    # One that holds a run may be read alone, as one that is complete.
    (tmp_path / "run.json").touch()
    refuse_place(tmp_path)
