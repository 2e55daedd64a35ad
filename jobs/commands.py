"""The whole command line: the pipeline's commands, and those that know of clusters.

`pipeline` does not import `jobs`, so they are joined here.
"""

from __future__ import annotations

from jobs import submit
from pipeline.cli import app
from pipeline.cli.commands import Command

app.command("submit", cls=Command, context_settings=submit.PASSING)(submit.submit)
