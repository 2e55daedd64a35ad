"""Options that are settings: what a command gets of them, and their words."""

import shlex
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli import options
from pipeline.config import Config
from pipeline.errors import UserError


@pytest.fixture
def call():
    """Calls a command that takes some settings; gives what it got."""
    got = {}

    @options.takes_settings("model", "emotions", "allow_columns", "seed", "gpu_hour_price")
    def command(place: str, *, given: options.Given) -> None:
        """Its help."""
        got.update(place=place, given=given)

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)

    def _call(text):
        result = CliRunner().invoke(app, shlex.split(text))
        assert result.exit_code == 0, result.output
        return got["place"], got["given"]

    return _call


@pytest.mark.parametrize(
    ("text", "emotions"), [(" awe, fear ,", [" awe", " fear "]), ("", [""]), (",", [""])]
)
def test_emotions_are_comma_separated(call, text, emotions):
    assert call(f"here --emotions '{text}'")[1].flags["emotions"] == emotions


def test_a_command_gets_its_own_arguments_and_the_settings_together(call, tmp_path):
    (tmp_path / "c.toml").write_text("batch_size = 5")
    words = f"here --seed 3 --allow-columns --config {tmp_path}/c.toml --set limit=7 --price 2"
    place, given = call(words)
    config = given.load()
    assert place == "here"
    assert (config.seed, config.batch_size, config.limit, config.gpu_hour_price) == (3, 5, 7, 2.0)
    assert config.allow_columns


def test_a_flag_that_is_not_given_leaves_the_config_file_its_say(call, tmp_path):
    (tmp_path / "c.toml").write_text("allow_columns = true")
    assert call(f"here --config {tmp_path}/c.toml")[1].load().allow_columns


def test_settings_become_words_that_give_the_same(call):
    text = "--model m --emotions awe,fear --allow-columns --seed 0 --set 'quota_by=a b'"
    given = call(f"here {text}")[1]
    words = given.words("model", "emotions", "allow_columns", "seed")
    assert call(shlex.join(["here", *words]))[1] == given
    assert given.words() == ["--set", "quota_by=a b"]
    priced = call("here --price 2 --seed 3")[1]
    assert priced.words("gpu_hour_price", others=["seed", "model"]) == [
        *("--price", "2.0"),
        *("--set", "seed=3"),
    ]


@pytest.mark.parametrize(
    ("emotions", "problem"),
    [("''", "one is empty"), (",", "one is empty"), ("awe,AWE", "names 'awe' twice")],
)
def test_emotions_that_are_empty_or_repeated_are_refused(call, emotions, problem):
    given = call(f"here --emotions {emotions}")[1]
    with pytest.raises(UserError, match=f"--emotions: .*{problem}"):
        given.load()


def test_mistakes_name_the_option(call):
    given = call("here --price=-1")[1]
    with pytest.raises(UserError, match="--price: gpu_hour_price is -1"):
        given.load()


@pytest.mark.parametrize(
    ("name", "default"),
    [("min_confidence", 0.5), ("candidates", 1), ("batch_size", 8), ("shard_size", 1000)],
)
def test_the_help_of_an_option_names_the_default_of_its_setting(name, default):
    assert getattr(Config(), name) == default
    (option,) = get_args(options.OPTIONS[name])[1:]
    assert f"{default:,} by default" in option.help
