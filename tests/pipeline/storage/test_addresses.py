import os

import pytest

from pipeline.errors import UserError
from pipeline.storage.addresses import normalized, public
from pipeline.storage.files import fetched, location


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out", "out"),
        ("/data/a b", "/data/a b"),
        ("a:b/c", "a:b/c"),
        ("./s3:/b", "./s3:/b"),
        (" a ", " a "),
        (" s3://b/x\n", "s3://b/x"),
        ("~/corpus", "/home/me/corpus"),
        ("S3://Bucket/X", "s3://Bucket/X"),
        ("GS://b/x", "gs://b/x"),
        ("file:///x/y", "/x/y"),
        ("FILE:///x/y", "/x/y"),
        ("file://localhost/x/y", "/x/y"),
        ("file://LOCALHOST/x/y", "/x/y"),
        ("file:/x/y", "/x/y"),
        ("file:///x%20y/%C3%A4", "/x y/ä"),
        ("file:///x/a#1?.parquet", "/x/a#1?.parquet"),
        ("hf://datasets/owner/name/x", "hf://datasets/owner/name/x"),
        ("hf://owner/name", "hf://owner/name"),
        ("abfs://c@a.dfs.core.windows.net/x", "abfs://c@a.dfs.core.windows.net/x"),
        ("ABFSS://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x"),
        ("./~nosuchuser/x", "./~nosuchuser/x"),
    ],
)
def test_every_form_of_an_address_means_the_same_place(monkeypatch, text, expected):
    monkeypatch.setenv("HOME", "/home/me")
    assert normalized(text) == expected
    assert normalized(expected) == expected
    assert str(location(text)) == expected.removeprefix("./")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("s3:/b/x", "write s3://b/x"),
        ("S3:b/x", "write s3://b/x"),
        ("https:/host/m.parquet", "write https://host/m.parquet"),
        ("filecache::s3://b/x", "write s3://b/x"),
        ("simplecache::memory://x", "write memory://x"),
        ("file://server/share", "write file:///PATH"),
        ("s3://", "write s3://NAME/PATH"),
        ("s3:///x", "write s3://NAME/PATH"),
        ("memory://x", "give a folder or an object store"),
        ("Memory://x", "give a folder or an object store"),
        ("memory:/x", "give a folder or an object store"),
        ("file:rel", "write file:///PATH"),
        ("file:./rel", "write file:///PATH"),
        ("file:", "write file:///PATH"),
        ("file://", "write file:///PATH"),
        ("file:~/x", "write file:///PATH"),
        ("s3:", "write s3://NAME/PATH"),
        ("s3:\\\\b\\x", "write s3://b/x"),
        ("s3:://b/x", "write s3://b/x"),
        ("s3 ://b/x", "write SCHEME://NAME/PATH"),
        ("://x", "write SCHEME://NAME/PATH"),
        ("hf://datasets", "write hf://datasets/OWNER/NAME/PATH"),
        ("hf://datasets/owner", "write hf://datasets/OWNER/NAME/PATH"),
        ("~nosuchuser/x", "write ./~nosuchuser/x"),
    ],
)
def test_what_would_become_a_local_folder_is_refused_with_the_remedy(text, remedy):
    for read in (normalized, location):
        with pytest.raises(UserError) as caught:
            read(text)
        assert str(caught.value).startswith(text)
        assert remedy in str(caught.value)


@pytest.mark.parametrize("text", ["", " "])
def test_no_path_at_all_is_refused(text):
    with pytest.raises(UserError, match="an empty path"):
        normalized(text)


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_instead_of_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "m.parquet")
    with (
        pytest.raises(UserError, match=r"m.parquet: is not a regular file; .* save it to one"),
        fetched(str(tmp_path / "m.parquet")),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/a.png?X-Amz-Signature=word&b=1", "https://h/a.png"),
        (
            "404, message='Not Found', url='https://h/a.png?sig=word'",
            "404, message='Not Found', url='https://h/a.png'",
        ),
        ("https://me:word@h/a.png#f", "https://h/a.png"),
        ("plain/path?.png and s3://bucket/key", "plain/path?.png and s3://bucket/key"),
    ],
)
def test_what_is_shown_of_a_url_has_no_secret(text, shown):
    assert public(text) == shown
