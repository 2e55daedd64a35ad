"""Values of a manifest that look like paths, tar names, markdown or formulas do no harm."""

import tarfile

import webdataset

from pipeline.corpora.verify import verify
from tests.support import drive


def test_names_that_try_to_escape_stay_text_and_nothing_is_written_outside(tmp_path, monkeypatch):
    home = tmp_path / "home"
    tricks = [
        "../../escaped",
        "/etc/passwd",
        "a/b",
        "a.tar",
        "| x |",
        "`rm`",
        "<script>",
        "=1+1",
        "C:\\x",
        "CON",
        "~",
        "-rf",
    ]
    columns = {
        "id": tricks,
        "../../column": tricks,
        "key": tricks,
        "score": [float("nan")] * len(tricks),
    }
    manifest = drive.write_manifest(
        home / "manifest.parquet", [f"../{trick} \u202e\n---" for trick in tricks], **columns
    )
    (home / "work").mkdir()
    before = set(tmp_path.rglob("*"))
    out = home / "out"
    monkeypatch.chdir(home / "work")
    done = drive.run(manifest, out, "--min-confidence", 0)
    assert done.returncode == 0, done.stderr
    after = set(tmp_path.rglob("*"))
    assert all(path == out or out in path.parents for path in after - before)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "_info.json",
        "_state",
        "contact_sheet.png",
        "croissant.json",
        "metadata.parquet",
        "run.json",
        "shards",
    ]
    tars = sorted(str(path) for path in (out / "shards").glob("*.tar"))
    for tar in tars:
        with tarfile.open(tar) as archive:
            assert all(
                member.isfile() and "/" not in member.name and ".." not in member.name
                for member in archive
            )
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    assert [sample["json"]["id"] for sample in samples] == tricks
    assert [sample["json"]["manifest"]["../../column"] for sample in samples] == tricks
    assert {sample["json"]["manifest"]["score"] for sample in samples} == {None}
    assert [row["id"] for row in drive.rows(out)] == tricks
    assert verify(out) == []
    card = (out / "README.md").read_text()
    assert not any(trick in card for trick in ("escaped", "passwd", "<script>", "`rm`"))
