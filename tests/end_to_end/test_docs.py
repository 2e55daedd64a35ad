"""The documentation: what it names exists, what it shows runs, and no link is dead."""

import ast
import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from jobs.commands import app
from muse.mini.world.contents import PLACES, SUBJECTS
from pipeline.config import Config
from pipeline.corpora.flags import Flags, write_flags
from pipeline.output.run.run_file import read_run
from pipeline.settings.fields import fields_of
from tests.support import chromium, drive

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MAX_README_WORDS = 1200
NUMBERS = {9: "Nine", 10: "Ten", 11: "Eleven"}

SETTINGS = {name for name, _ in fields_of(Config)}


def blocks(page, language):
    """The code blocks of a page in that language."""
    found = BLOCK.findall(page.read_text())
    return [code for kind, code in found if kind == language]


def command_lines(page):
    """The `muse-batch` commands of a page, split into words, without comments."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("muse-batch "):
                yield shlex.split(line, comments=True)[1:]


def _options(command):
    return {name for parameter in command.params for name in parameter.opts}


def _command_of(words):
    """The command that the words begin with."""
    command, rest = typer.main.get_command(app), [*words]
    while hasattr(command, "commands"):
        # Options of the command itself stand before the name.
        while rest[0].startswith("--"):
            rest = rest[2:] if rest[0] == "--log-level" else rest[1:]
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_option_and_setting_that_a_page_names_exists(page):
    run_options = _options(typer.main.get_command(app).commands["run"])
    for words in command_lines(page):
        command, rest = _command_of(words)
        known = _options(command)
        if command.name == "submit":
            known |= run_options
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert options <= known, words
        for name, value in itertools.pairwise(rest):
            if name == "--set" and command.name != "fit":
                key = value.partition("=")[0]
                table = key.partition(".")[0]
                assert key in SETTINGS or table in ("filters", "filter_models"), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_is_python(page):
    for code in blocks(page, "python"):
        ast.parse(code)


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= MAX_README_WORDS
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_readme_and_the_quick_start_have_the_same_commands():
    """As many as the quick start counts, and lists in the same order."""
    quick_start = (ROOT / "docs" / "index.md").read_text()
    (block, _) = blocks(ROOT / "docs" / "index.md", "sh")
    shown = dict.fromkeys(_named(block))
    listed = re.findall(r"^\d+\. \*\*`(.+?)`\*\*", quick_start, re.MULTILINE)
    assert listed == [*shown]
    assert f"{NUMBERS[len(listed)]} commands" in quick_start
    readme = next(code for code in blocks(ROOT / "README.md", "sh") if "muse-batch plan" in code)
    assert [*dict.fromkeys(_named(readme))] == listed


def _named(block):
    """The names of the `muse-batch` commands of a block, as in `manifest build`."""
    for words in re.findall(r"^muse-batch (.+)$", block, re.MULTILINE):
        yield " ".join(words.split()[: 2 if words.startswith("manifest") else 1])


def test_readme_and_quick_start_say_what_the_embedded_model_knows():
    known = f"knows [{len(SUBJECTS)} subjects, in the singular, in {len(PLACES)} places]"
    assert known in (ROOT / "README.md").read_text()
    quick_start = " ".join((ROOT / "docs" / "index.md").read_text().split())
    places = ", ".join(content.words[0] for content in PLACES.values())
    assert f"**Subjects**: {', '.join(SUBJECTS)}. - **Places**: {places}." in quick_start


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as it is built; a dead link is an error."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.faults
def test_the_site_builds_without_a_dead_link(site):
    assert "fonts.googleapis" not in (site / "index.html").read_text()


@pytest.mark.faults
@chromium.needs_chromium
def test_no_name_in_a_table_is_broken_and_no_page_is_wider_than_a_phone(site):
    broken = (
        "[...document.querySelectorAll('td:first-child code')]"
        ".filter(name => name.getClientRects().length > 1).map(name => name.textContent)"
    )
    overflow = (
        "[...document.querySelectorAll('.md-typeset__scrollwrap')]"
        ".some(table => table.scrollWidth > table.clientWidth)"
    )
    with chromium.started() as browser:
        for width in (360, 1280):
            with chromium.Watched(browser, width) as watched:
                for name in ("scale", "failures", "columns", "settings", "results"):
                    watched.page.goto((site / name / "index.html").as_uri())
                    assert watched.page.evaluate(broken) == [], (name, width)
                    assert watched.is_within_its_width(), (name, width)
                    # On a wide screen no table has to be scrolled.
                    assert width == 360 or not watched.page.evaluate(overflow), name


@pytest.mark.research
def test_the_quick_start_runs_as_it_stands(tmp_path, monkeypatch):
    """But for the installation, and for the page of `view`, which a file of flags replaces."""
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "index.md"
    (block, _) = blocks(page, "sh")
    for line in block.splitlines():
        if line.startswith("printf"):
            subprocess.run(line, shell=True, check=True)
        elif line.startswith("muse-batch view"):
            fingerprint = read_run(tmp_path / "out").fingerprint
            write_flags(tmp_path / "flags.parquet", Flags(fingerprint))
        elif line.startswith("muse-batch"):
            _run([sys.executable, "-m", "pipeline", *shlex.split(line)[1:]])
    (loading,) = blocks(page, "python")
    _run_python(loading)


@pytest.mark.research
def test_the_python_page_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in blocks(ROOT / "docs" / "python.md", "python"):
        _run_python(code)
    assert (tmp_path / "awe.png").exists()


def _run_python(code):
    _run([sys.executable, "-c", code])


def _run(words):
    """In a process of its own: another test of this process may have started Ray."""
    environment = drive.environment()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
