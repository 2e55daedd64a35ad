"""`python -m jobs.scale`."""

from jobs.scale.scale import app

if __name__ == "__main__":
    app()
