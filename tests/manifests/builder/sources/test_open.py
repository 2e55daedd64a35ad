"""Which kind of source a path is, and what is reported of one that is none."""

import pytest

from manifests.builder.sources.hub import HubSource
from manifests.builder.sources.open import open_source
from manifests.check import ManifestError


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "p.txt",
        "t.json",
        "t.csv.gz",
        "odd",
        "photos/a.png",
        "tables/t.csv",
        "both/a.png",
        "run/run.json",
        "run/_state/log.jsonl",
        "tracked/run.json",
        "tracked/a.png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("a dog")
    (tmp_path / "both" / "a.tar").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("s3://b/p.txt", "is a URL; copy it here first"),
        ("gone.txt", "does not exist; give a .txt"),
        ("data/gone.csv", "does not exist; give a .txt"),
        ("t.json", "write one object a line and name it .jsonl"),
        ("t.csv.gz", "unpack it first"),
        ("photos/typo", "does not exist; give a .txt"),
        ("odd", "its ending is missing and tells no kind of source; give a .txt"),
        ("tables", "holds no images but tables; name them, as in tables/t.csv"),
        ("both", "holds tar files and images; name one kind"),
        ("empty", "holds no images; give"),
        ("run", r"run/shards: does not exist; the run has no accepted samples yet"),
    ],
)
def test_what_is_no_source_is_refused_with_the_remedy(files, path, problem):
    with pytest.raises(ManifestError, match=problem):
        open_source(path, {})


def test_kinds_follow_from_name_and_content(files, monkeypatch):
    asked = []
    monkeypatch.setattr(HubSource, "__init__", lambda self, *given: asked.append(given))
    assert type(open_source("p.txt", {})).__name__ == "TextSource"
    assert type(open_source("photos", {})).__name__ == "ImageFolder"
    # A run.json of another program does not make it a run's output.
    assert type(open_source("tracked", {})).__name__ == "ImageFolder"
    open_source("owner/name.v2", {}, "train")
    assert asked == [("owner/name.v2", {}, "train", None)]
    with pytest.raises(ManifestError, match="--split train is for `datasets` sets alone"):
        open_source("p.txt", {}, "train")
