"""The command that prints settings."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, reported_errors


def config(
    config: options.ConfigFile = None,
    set_: options.Set = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the settings instead.")
    ] = False,
) -> None:
    """Print all settings as a TOML file: each with its meaning, limits and value."""
    with reported_errors():
        from pipeline.config import Config
        from pipeline.errors import UserError
        from pipeline.settings import load_config
        from pipeline.settings.reference import as_toml

        if schema and (config or set_):
            raise UserError("--schema has no values; leave --config and --set out")
        if schema:
            text = json.dumps(Config.model_json_schema(), indent=2)
        else:
            text = as_toml(load_config(config, set_ or [], {})).rstrip()
    echo(text)
