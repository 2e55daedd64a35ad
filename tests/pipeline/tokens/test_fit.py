"""`muse-batch tokens fit`: which requests it makes, what it writes, and what it refuses."""

import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from muse.guidance.fitted_tokens_file import TokensFile
from pipeline.cli import app
from pipeline.generation.engines.muse_engine import ScoringMuseEngine
from pipeline.planning.plan import PlannedRequest, derive_seed
from pipeline.tokens import fit
from pipeline.tokens.fit import chosen_requests

QUICK = ("--set", "method.steps=6", "--set", "method.content_weight=0")


def _planned(*emotions, prompt="a dog"):
    rows = []
    for number, emotion in enumerate(emotions):
        mix = emotion if isinstance(emotion, dict) else {emotion: 1.0}
        key = f"{number:09d}"
        seed = derive_seed(0, key, 0)
        rows.append(PlannedRequest(key, number, None, prompt, None, mix, None, seed, 0, {}))
    return rows


def test_the_first_of_each_emotion_are_made_and_no_mixtures():
    planned = _planned("awe", {"awe": 0.5, "fear": 0.5}, "fear", "awe", "awe", "fear")
    chosen = chosen_requests(planned, 2, 0)
    assert {name: [r.row for r in rows] for name, rows in chosen.items()} == {
        "awe": [0, 3],
        "fear": [2, 5],
    }


def test_of_too_few_prompts_each_is_made_with_several_seeds():
    chosen = chosen_requests(_planned("awe", "awe"), 5, 0)["awe"]
    assert [request.row for request in chosen] == [0, 1, 0, 1, 0]
    assert [request.candidate for request in chosen] == [0, 0, 1, 1, 2]
    assert len({request.seed for request in chosen}) == 5
    assert chosen[4].seed == derive_seed(0, "000000000", 2)


def _call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for prompt in ("a dog on a beach", "a boat on a lake"):
        rows += [{"prompt": prompt, "emotion": emotion} for emotion in ("awe", "fear")]
    path = tmp_path / "m.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_what_it_writes_is_the_start_of_a_run(manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "new" / "tokens.safetensors"
    done = _call("tokens", "fit", manifest, "-o", file, "--count", 2, *QUICK)
    assert done.exit_code == 0, done.output
    tokens = TokensFile.read(file)
    assert {*tokens.vectors} <= {"awe", "fear"}
    assert tokens.alone == {}, "of too few images"
    told = " ".join(done.output.split())
    assert "the manifest has no row of amusement, contentment" in told
    assert "are too few to tell whether these suffice" in told
    assert "give --count 16 or more" in told
    following = shlex.split(done.output.splitlines()[-1].removeprefix("Next: muse-batch "))
    assert following[0] == "run"
    assert f"fitted_tokens={file}" in following
    ran = _call(*following, "--executor", "local", "--limit", 2)
    assert ran.exit_code == 0, ran.output
    again = _call("tokens", "fit", manifest, "-o", file, *QUICK)
    assert again.exit_code == 2
    assert "exists already; give a new file, or remove it" in again.output


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["-o", "tokens.npz"], "give a file that ends in .safetensors"),
        (["-o", "t.safetensors", "--set", "engine=null"], "the null engine has no tokens"),
        (["-o", "t.safetensors", "--set", "method.timing=never"], "tokens are never updated"),
        (["-o", "m.parquet/t.safetensors"], "m.parquet is no folder"),
        (["-o", "m.parquet/new/t.safetensors"], "m.parquet is no folder"),
        (["-o", "gone/t.safetensors"], "is a link to nowhere, which does not exist"),
        (["-o", "s3://bucket/t.safetensors"], "tokens are written on this machine"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_a_model_is_loaded(
    manifest, monkeypatch, given, why
):
    monkeypatch.chdir(manifest.parent)
    manifest.with_name("gone").symlink_to("nowhere")
    refused = _call("tokens", "fit", manifest, *given)
    assert refused.exit_code == 2
    assert why in " ".join(refused.output.split())


def test_a_manifest_of_mixtures_alone_is_refused(tmp_path):
    path = tmp_path / "m.parquet"
    mixture = pa.array([[("awe", 0.5), ("fear", 0.5)]], pa.map_(pa.string(), pa.float64()))
    pq.write_table(pa.table({"prompt": ["a dog"], "emotion": mixture}), path)
    refused = _call("tokens", "fit", path, "-o", tmp_path / "t.safetensors")
    assert refused.exit_code == 2
    assert "no row of a single emotion" in refused.output


def test_how_far_the_tokens_suffice_is_tried_without_updates(manifest, tmp_path, monkeypatch):
    """Also where the method updates all tokens; and the next command has the new file alone."""
    made = []
    draw = ScoringMuseEngine.draw

    def watched(engine, requests):
        outputs = draw(engine, requests)
        made.extend(outputs)
        return outputs

    monkeypatch.setattr(ScoringMuseEngine, "draw", watched)
    monkeypatch.setattr(fit, "MIN_TRIED", 1)
    file = tmp_path / "t.safetensors"
    given = ("--set", "method.updates=always", "--set", "fitted_tokens=old.safetensors")
    done = _call("tokens", "fit", manifest, "-o", file, "--count", 1, *QUICK, *given)
    assert done.exit_code == 0, done.output
    assert {output.trace.updates for output in made} == {0}
    tokens = TokensFile.read(file)
    assert tokens.alone.keys() == tokens.vectors.keys()
    assert "fitted_tokens: no effect: tokens are fitted from words" in done.output
    assert "old.safetensors" not in done.output.splitlines()[-1]
    assert f"Written to {file}" in done.output
