"""The commands together. Each imports what it needs when it is called: `--help` answers at once."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.cli import classifiers, runs, settings, tokens, trial
from pipeline.cli.corpora import corpora, looking
from pipeline.cli.manifests import example, manifests
from pipeline.watch.log_output import LEVELS, set_up


class Command(TyperCommand):
    """A command whose help shows no type for flags, which take no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types_of_flags(super().get_params(ctx))


ORDER = ("example", "manifest", "plan", "try", "run", "submit", "status", "view", "report", "show")
"""Commands in the order in which they are used; the others follow."""


class Group(TyperGroup):
    """Commands, whose own help is like theirs."""

    def list_commands(self, ctx: Any) -> list[str]:
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types_of_flags(super().get_params(ctx))


def _without_types_of_flags(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion-augmented image corpora: a manifest in, a sharded WebDataset out.",
)

for command in (
    example.example,
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
):
    app.command(cls=Command)(command)

app.command("try", cls=Command)(trial.try_)

manifest = typer.Typer(
    cls=Group, no_args_is_help=True, help="Make manifests, look at them, check them."
)
for of_manifests in (manifests.build, manifests.show, manifests.check):
    manifest.command(cls=Command)(of_manifests)
app.add_typer(manifest, name="manifest")

classifier = typer.Typer(cls=Group, no_args_is_help=True, help="Fit your own guides and judges.")
classifier.command(cls=Command)(classifiers.fit)
app.add_typer(classifier, name="classifier")

of_tokens = typer.Typer(cls=Group, no_args_is_help=True, help="Fit emotional tokens to a model.")
of_tokens.command(cls=Command)(tokens.fit)
app.add_typer(of_tokens, name="tokens")


@classifier.callback()
@of_tokens.callback()
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
