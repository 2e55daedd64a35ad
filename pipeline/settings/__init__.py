"""How settings are read, checked and printed; which there are: `pipeline.config`."""

from pipeline.settings.loading import load, load_config, revised

__all__ = ["load", "load_config", "revised"]
