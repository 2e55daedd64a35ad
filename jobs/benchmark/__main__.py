"""`python -m jobs.benchmark`."""

import typer

from jobs.benchmark.benchmark import main

if __name__ == "__main__":
    typer.run(main)
