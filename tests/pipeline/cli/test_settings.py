"""The command that prints settings."""

import json
import tomllib

from tests.support import drive


def test_effective_settings_are_printed_and_so_is_their_schema(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\nbatch_size = 4\n")
    printed = drive.command("config", "--config", file, "--set", "seed=2").stdout
    values = tomllib.loads(printed)
    assert (values["seed"], values["batch_size"]) == (2, 4)
    assert (
        json.loads(drive.command("config", "--schema").stdout)["properties"]["seed"]["minimum"] == 0
    )
    refused = drive.command("config", "--set", "steps=30")
    assert refused.returncode == 2
    assert "did you mean method.steps?" in refused.stderr
