"""What timm and open_clip read of a corpus before they open a tar."""

import json

from pipeline.corpora.verify import verify
from tests.support.corpora import rows_of


def test_they_list_every_tar_with_its_samples(make_corpus):
    out = make_corpus(min_confidence=0.5)
    info = json.loads((out / "_info.json").read_text())["splits"]["train"]
    sizes = json.loads((out / "shards" / "sizes.json").read_text())
    tars = sorted((out / "shards").glob("*.tar"))
    assert info["filenames"] == [f"shards/{tar.name}" for tar in tars]
    assert dict(zip(info["filenames"], info["shard_lengths"], strict=True)) == {
        f"shards/{name}": count for name, count in sizes.items()
    }
    accepted = sum(row["status"] == "accepted" for row in rows_of(out))
    assert info["num_samples"] == sum(sizes.values()) == accepted


def test_damage_to_them_is_found(make_corpus):
    out = make_corpus(min_confidence=0.5)
    (out / "shards" / "sizes.json").write_text("{}")
    assert any("shards/sizes.json" in problem for problem in verify(out))


def test_a_corpus_without_samples_lists_none(make_corpus):
    out = make_corpus(min_confidence=1.0)
    info = json.loads((out / "_info.json").read_text())["splits"]["train"]
    assert (info["filenames"], info["num_samples"]) == ([], 0)
    assert [path.suffix for path in sorted((out / "shards").iterdir())] == [".json", ".parquet"]
