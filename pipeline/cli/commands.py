"""The commands together. Each imports what it needs when it is called: `--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import classifiers, corpora, example, looking, manifests, runs, settings, trial
from pipeline.watch.log_output import LEVELS, set_up

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion-augmented image corpora: a manifest in, a sharded WebDataset out.",
)

for command in (
    runs.run,
    runs.plan,
    runs.status,
    runs.verify,
    looking.report,
    looking.view,
    looking.show,
    corpora.refilter,
    corpora.merge,
    corpora.retry,
    corpora.export,
    corpora.publish,
    settings.config,
    example.example,
):
    app.command()(command)

app.command("try")(trial.try_)

manifest = typer.Typer(no_args_is_help=True, help="Make manifests, look at them, check them.")
for of_manifests in (manifests.build, manifests.show, manifests.check):
    manifest.command()(of_manifests)
app.add_typer(manifest, name="manifest")

classifier = typer.Typer(no_args_is_help=True, help="Fit your own guides and judges.")
classifier.command()(classifiers.fit)
app.add_typer(classifier, name="classifier")


@classifier.callback()
def _keep_the_name_of_its_only_command() -> None:
    pass


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipeline.version import version

        typer.echo(f"muse-batch {version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
    log_level: Annotated[
        str, typer.Option(help="Least that is printed while a command works: debug, info, warning.")
    ] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", help="Print that as JSON lines.")] = False,
) -> None:
    """Options of the command itself, before its name."""
    if log_level not in LEVELS:
        raise typer.BadParameter(f"{log_level}: choose {', '.join(LEVELS)}", param_hint="log-level")
    set_up(log_level, log_json)
