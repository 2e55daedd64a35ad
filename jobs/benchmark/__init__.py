"""The benchmark: cost and speed of the method, the engine and the command."""

from muse.diffusion.quiet import quiet_imports

quiet_imports()
