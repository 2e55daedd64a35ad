"""Uploads to a stand-in of a hub, by the real client."""

import datasets
import huggingface_hub
import pytest

from pipeline.corpora.publish import plan_upload, publish
from pipeline.corpora.verify import verify
from pipeline.errors import RunStopped, UserError
from tests.support.hub import TOKEN, stand_in_hub


@pytest.fixture
def hub(monkeypatch):
    with stand_in_hub() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def _download(hub, folder):
    for name, data in hub.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def test_what_is_published_is_the_whole_corpus_and_loads(make_corpus, hub, tmp_path):
    out = make_corpus(keep_rejected=True)
    upload = plan_upload(out, "owner/name")
    assert hub.created == []
    url = publish(out, upload, private=True)
    assert url == f"{hub.url}/datasets/owner/name"
    assert hub.created[0]["visibility"] == "private"
    assert {name: len(data) for name, data in hub.files.items()} == upload.files
    assert not [name for name in hub.files if name.startswith("_state")]
    copy = _download(hub, tmp_path / "copy")
    assert verify(copy) == []
    cache = str(tmp_path / "cache")
    data = datasets.load_dataset(str(copy), split="train", cache_dir=cache)
    assert data.num_rows > 5


def test_an_interrupted_upload_goes_on_where_it_stopped(make_corpus, hub):
    out = make_corpus()
    upload = plan_upload(out, "owner/name")
    hub.fail_uploads = 1
    with pytest.raises(RunStopped, match=r"(?s)Error while .*injected.*resumes the upload"):
        publish(out, upload)
    before = hub.uploads
    publish(out, upload)
    assert {name: len(data) for name, data in hub.files.items()} == upload.files
    # Each object was sent once in all.
    assert hub.uploads == len(hub.objects) > before > 0


def test_what_its_owner_may_want_to_change_is_named(make_corpus):
    (license_, rejected) = plan_upload(make_corpus(keep_rejected=True), "owner/name").warnings
    assert "the license in the card is unknown" in license_
    assert "rejected sample(s) are uploaded, too" in rejected
    out = make_corpus("licensed")
    card = out / "README.md"
    card.write_text(card.read_text().replace("license: unknown", "license: cc0-1.0"))
    assert plan_upload(out, "owner/name").warnings == ()


@pytest.mark.parametrize("name", ["name", "/name", "owner/", "a/b/c", "owner/na me", "owner/..x"])
def test_a_name_that_is_none_is_refused(name, make_corpus):
    with pytest.raises(UserError, match=r"owner/name|no name of a repository"):
        plan_upload(make_corpus(), name)


def test_a_damaged_corpus_is_not_published(make_corpus, hub):
    out = make_corpus()
    tar = next((out / "shards").glob("*.tar"))
    tar.write_bytes(tar.read_bytes()[:-1])
    with pytest.raises(UserError, match=tar.name):
        plan_upload(out, "owner/name")


def test_a_wrong_token_no_token_and_no_network_are_named(make_corpus, hub, monkeypatch, tmp_path):
    out = make_corpus()
    upload = plan_upload(out, "owner/name")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match=r"refuses to write \(401\); log in"):
        publish(out, upload)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunStopped, match="cannot be reached"):
        publish(out, upload)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        publish(out, upload)
