"""What `muse-batch example` writes can be used as it is."""

from muse.mini.vocabulary import unknown_words
from tests.support import drive


def test_the_examples_are_written_and_their_next_command_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = drive.command("example")
    assert done.returncode == 0, done.stderr
    listed = [line.split()[0] for line in done.stdout.splitlines()[:-1]]
    assert all((tmp_path / name).exists() for name in listed)
    *_, last = done.stdout.splitlines()
    next_command = last.removeprefix("Next: muse-batch ").split()
    assert "m.parquet: 40 row(s) of 20 item(s)" in drive.command(*next_command).stdout
    prompts = (tmp_path / "example" / "prompts.txt").read_text().splitlines()
    assert [unknown_words(prompt) for prompt in prompts] == [[]] * 20
    build = ["manifest", "build", "example/images", "--emotions", "awe", "-o", "e.parquet"]
    assert "e.parquet: 3 row(s) of 3 item(s)" in drive.command(*build).stdout
    again = drive.command("example")
    assert again.returncode == 2
    assert "example exists; give a folder that does not exist yet" in again.stderr
