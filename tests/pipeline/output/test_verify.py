"""What `verify` finds."""

from pipeline.output.verify import verify


def test_a_changed_rejected_tar_is_found(make_corpus):
    out = make_corpus(keep_rejected=True)
    tar = out / "rejected" / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    assert (
        verify(out)[0]
        == "rejected/00000.tar: its content is not what was committed (SHA-256 differs)"
    )
