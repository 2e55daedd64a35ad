"""What becomes of edits that may not be expected: none is made, or its picture is redrawn."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.schema import Row
from muse.sizes import Size
from pipeline.config import Config
from pipeline.models.roles import local_path
from pipeline.planning.checks.image_check import ImageCheck

EMBEDDED_SIZE = Size(128, 128)
"""Width and height of what the embedded model draws, pixels."""

FIRST_SOURCES = 16
"""Source images whose sizes a run looks at before it begins."""


def step_warnings(config: Config, edits: int) -> Iterator[str]:
    """A warning if edits take no step, so that their pictures come back as they are.

    Nothing is said where the model is not on this machine, or cannot be used.

    Args:
        edits: rows of the manifest with an image.
    """
    if not edits or config.engine == "null":
        return
    from muse.diffusion.editing import step_warning
    from muse.diffusion.files.hub import configs_of
    from muse.diffusion.schedule.schedules import schedule_of

    method = config.method
    try:
        model = local_path("model", config.model, download=False)
        schedule = schedule_of(configs_of(model)[1], method)
    except ValueError:
        # What is wrong with it, `locate` says.
        return

    if warning := step_warning(schedule, method, f"{edits} row(s)"):
        yield warning


class FirstSources:
    """Looks at the first source images of the rows it is given, where the embedded model edits."""

    def __init__(self, base: str, config: Config):
        self._is_needed = config.draws_embedded
        self._check = ImageCheck(base, config)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Keep the row if it is one of the first with an image."""
        if self._is_needed and row.image is not None and len(self._rows) < FIRST_SOURCES:
            self._rows.append(row)

    def warnings(self) -> Iterator[str]:
        """A warning if one of them is not known to be of the embedded model's world.

        Local ones are opened for their sizes. Remote ones are not fetched, and may be photographs.
        """
        remote = 0
        for row in self._rows:
            assert row.image is not None
            if isinstance(row.image, str) and self._check.is_remote(row.image):
                remote += 1
            else:
                # One that cannot be used fails its requests, with the reason.
                self._check.problem_of(row.image)
        foreign = sum(n for size, n in self._check.sizes.items() if size != EMBEDDED_SIZE)
        count = f"of the first {len(self._rows)} source image(s)"
        if foreign:
            yield photograph_warning(f"{foreign} {count} are not")
        elif remote:
            yield photograph_warning(f"{remote} {count} are remote and may not be")


def photograph_warning(which: str) -> str:
    """That the embedded model is to edit images that are not of its own world.

    Args:
        which: they are, with the verb.
    """
    return (
        f"{which} of the embedded model's world of {EMBEDDED_SIZE.width} pixels: it redraws "
        "photographs as scenes of that world. To edit photographs, give --model a Stable Diffusion "
        "folder or hub id"
    )
