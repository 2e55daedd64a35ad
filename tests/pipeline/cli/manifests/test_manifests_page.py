"""The commands of docs/manifests.md, run one after another as they stand there."""

import io
import re
import shlex
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from tests.support import drive

PAGE = Path("docs/manifests.md").resolve()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """What the page speaks of, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("prompts.txt").write_text("a dog on a beach\na cat in a forest\na car on a street\n")
    Path("table.csv").write_text("description,stars\na dog on a stage,5\na boat by a pond,1\n")
    Path("photos").mkdir()
    Path("shards").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8)).save(f"photos/{number}.png")
        Path(f"photos/{number}.txt").write_text(f"photograph {number}")
    with tarfile.open("shards/0.tar", "w") as archive:
        for name in ("photos/0.png", "photos/0.txt"):
            data = Path(name).read_bytes()
            member = tarfile.TarInfo(Path(name).name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return tmp_path


def test_every_command_of_the_page_works(sources):
    blocks = BLOCK.findall(PAGE.read_text())
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) > 10
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "muse-batch"
        done = drive.command(*arguments)
        assert done.returncode == 0, (line, done.stderr)
        assert "Traceback" not in done.stderr


def test_what_the_page_shows_is_what_is_printed(sources):
    arguments = ["prompts.txt", "--emotions", "all", "-o", "prompts.parquet"]
    printed = drive.command("manifest", "build", *arguments).stdout
    shown = PAGE.read_text().partition("```text\n")[2].partition("\n```")[0]
    for line in shown.replace("  ...\n", "").splitlines():
        assert line in printed
