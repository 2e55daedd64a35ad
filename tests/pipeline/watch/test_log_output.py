"""What the command logs: plain, as JSON lines, above a level."""

import json

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.console import warn
from pipeline.watch.log_output import logger, set_up


@pytest.fixture(autouse=True)
def _as_before():
    yield
    set_up()


def test_plain_text_is_as_it_was_printed(capsys):
    warn("the label \x1b[2J is odd")
    logger.info("muse-batch: %s", "3/4")
    logger.debug("nothing")
    assert capsys.readouterr().err == "warning: the label \\x1b[2J is odd\nmuse-batch: 3/4\n"


def test_json_lines_have_time_level_and_message(capsys):
    set_up("warning", as_json=True)
    logger.info("not shown")
    warn("odd")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["message"]) == ("warning", "warning: odd")
    assert entry["time"].endswith("Z")


def test_the_command_takes_both_before_its_name(tmp_path):
    wrong = CliRunner().invoke(app, ["--log-json", "status", str(tmp_path)])
    assert wrong.exit_code == 2
    assert json.loads(wrong.stderr)["level"] == "error"
    unknown = CliRunner().invoke(app, ["--log-level", "loud", "status", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "choose debug, info, warning, error" in " ".join(unknown.output.split())
