"""`python -m pipeline`: the same as the command `muse-batch`."""

from jobs.cli import main

if __name__ == "__main__":
    main()
