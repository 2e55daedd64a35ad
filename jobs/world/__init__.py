"""Training of the embedded model on rendered scenes."""

from muse.diffusion.quiet import quiet_imports

quiet_imports()
