"""`python -m pipeline`: the same as the command `muse-batch`."""

import os
import sys
from pathlib import Path

# Python puts the current folder first on its path. Unless that is this checkout, it is taken off:
# a user's own `jobs` or `muse` there would be imported instead of ours.
if sys.path[0] == os.getcwd() != str(Path(__file__).resolve().parents[1]):
    del sys.path[0]

from jobs.cli import main

if __name__ == "__main__":
    main()
