"""Experiments on single questions about the method, outside the evaluation."""

from muse.diffusion.quiet import quiet_imports

quiet_imports()
