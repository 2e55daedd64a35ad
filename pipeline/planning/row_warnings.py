"""What a run warns of by the rows of its manifest."""

from __future__ import annotations

from manifests.schema import Row
from pipeline.config import Config
from pipeline.models.sizes import model_sizes
from pipeline.planning.checks.edit_warnings import FirstSources
from pipeline.planning.checks.prompt_check import PromptCheck
from pipeline.planning.checks.unused_settings import RowUse
from pipeline.planning.request_sizes import RequestSizes

SHOWN_BY = "`muse-batch plan`"
"""The command that shows the details. A run may be begun without it, so the run warns, too."""


class RowWarnings:
    """Looks at the prompts, sizes and source images of the rows it is given.

    Attributes:
        knows_sizes: whether the sizes of the model's images were known from the beginning.
    """

    def __init__(self, config: Config, base: str):
        """
        Args:
            base: the folder or URL that relative paths of images refer to.

        Raises:
            UserError: the size in the settings is none that the model makes.
        """
        model = model_sizes(config)
        self.knows_sizes = model is not None
        self._config = config
        self._prompts, self._use = PromptCheck(config, SHOWN_BY), RowUse(config)
        self._sizes = RequestSizes(config, model)
        self._sources = FirstSources(base, config)

    def add(self, row: Row) -> None:
        """Take note of a row."""
        self._prompts.add(row)
        self._use.add(row)
        self._sources.add(row)
        self.add_size(row)

    def restart_sizes(self) -> None:
        """Forget the sizes of the rows, once those of the model's images have become known.

        Raises:
            UserError: the size in the settings is none of them.
        """
        self._sizes = RequestSizes(self._config, model_sizes(self._config))

    def add_size(self, row: Row) -> None:
        """Take note of the size that a row asks for."""
        self._sizes.add(row, len(row.emotions or self._config.emotions))

    def listed(self) -> list[str]:
        """All warnings; the first source images are opened for that."""
        of_images = [*self._sizes.warnings, *self._sources.warnings()]
        return [*self._prompts.warnings, *self._use.warnings, *of_images]
