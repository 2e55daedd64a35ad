"""`python -m jobs.evaluation`."""

import typer

from jobs.evaluation.evaluate import main

if __name__ == "__main__":
    typer.run(main)
