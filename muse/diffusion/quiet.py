"""Loads models without the progress bars and harmless messages of diffusers and transformers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

IMPORTS = "transformers.utils.import_utils"
"""The logger of what is missing when transformers is imported."""

HARMLESS = {
    # diffusers imports the image processors of pipelines that are never used here.
    IMPORTS: ("ImageProcessor` requires torchvision",),
    # Every saved AutoencoderTiny has this attribute, which its own class does not expect.
    "diffusers.configuration_utils": ("were passed to AutoencoderTiny",),
    # `lora_files.lora_warnings` says the same, with the name of the LoRA.
    "diffusers.utils.peft_utils": ("led to unexpected keys found in the model",),
    # Most LoRAs have nothing for the text encoders.
    "diffusers.loaders.lora_base": ("No LoRA keys associated to",),
    # The vectors of textual inversions take their place.
    "transformers.modeling_utils": ("The new embeddings will be initialized",),
}
"""Parts of messages of which nobody has to know, by the name of their logger."""


CLIP_SAMPLE = "(?s).*has not set the configuration `clip_sample`"
"""diffusers' pipeline switches this off, as its samplers here do, and warns that the model's own
setting is another: nobody has to change the files of a published model."""


class _DropHarmless(logging.Filter):
    def __init__(self, parts: tuple[str, ...]):
        super().__init__()
        self.parts = parts

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not any(part in message for part in self.parts)


def quiet_imports() -> None:
    """No harmless message of imports from now on, for modules that import diffusers themselves."""
    logging.getLogger(IMPORTS).addFilter(_DropHarmless(HARMLESS[IMPORTS]))


@contextmanager
def quiet_loading(*libraries: str) -> Iterator[None]:
    """No progress bars of loading, and no message of `HARMLESS` or on `CLIP_SAMPLE`; all other
    warnings come through.

    Bars of downloads stay, and afterwards every setting is as before. Meanwhile the settings hold
    for all threads of the process.

    Args:
        libraries: `diffusers`, `transformers` or both: those that load something.
    """
    with ExitStack() as undo:
        for library in libraries:
            undo.enter_context(_no_bars(library))
        for name, parts in HARMLESS.items():
            logger, harmless = logging.getLogger(name), _DropHarmless(parts)
            logger.addFilter(harmless)
            undo.callback(logger.removeFilter, harmless)
        undo.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", CLIP_SAMPLE, FutureWarning)
        yield


@contextmanager
def _no_bars(library: str) -> Iterator[None]:
    """Switch off the library's own bars, unless they are off already."""
    switches = import_module(f"{library}.utils.logging")
    if not switches.is_progress_bar_enabled():
        yield
        return
    with _same_hub_bars():
        switches.disable_progress_bar()
    try:
        yield
    finally:
        with _same_hub_bars():
            switches.enable_progress_bar()


@contextmanager
def _same_hub_bars() -> Iterator[None]:
    """Keep the bars of downloads as they are: transformers switches them together with its own."""
    from huggingface_hub import utils as hub

    shown = not hub.are_progress_bars_disabled()
    yield
    if shown == hub.are_progress_bars_disabled():
        (hub.enable_progress_bars if shown else hub.disable_progress_bars)()
