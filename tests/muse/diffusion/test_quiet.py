"""Loading models prints nothing unless something is wrong."""

import logging
import subprocess
import sys
import warnings

import diffusers.utils.logging
import pytest
import transformers.utils.logging
from diffusers import DDIMScheduler, StableDiffusionPipeline
from huggingface_hub import utils as hub

from muse.diffusion.quiet import IMPORTS, quiet_imports, quiet_loading

LIBRARIES = (transformers.utils.logging, diffusers.utils.logging)


def test_loading_the_embedded_models_prints_nothing():
    code = "from muse.api import MusePipeline; MusePipeline.from_pretrained()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.faults
def test_importing_jobs_prints_nothing():
    code = "import jobs.world.train, jobs.benchmark.benchmark"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_of_imports_only_the_harmless_messages_are_dropped(messages):
    logger = logging.getLogger(IMPORTS)
    filters = [*logger.filters]
    try:
        quiet_imports()
        logger.warning("`ViTImageProcessor` requires torchvision (not installed)")
        logger.warning("`ViTModel` requires torch (not installed)")
    finally:
        logger.filters[:] = filters
    assert messages == ["`ViTModel` requires torch (not installed)"]


@pytest.fixture
def messages():
    """All warnings that the loggers of configurations and imports let through."""
    records, handler = [], logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    names = ("diffusers.configuration_utils", IMPORTS)
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield records
    for name in names:
        logging.getLogger(name).removeHandler(handler)


def test_only_the_harmless_messages_are_dropped_and_only_while_loading(messages, caplog):
    caplog.set_level(logging.WARNING, logger="transformers")
    logger = logging.getLogger("diffusers.configuration_utils")
    harmless = "The config attributes {'a': 1} were passed to AutoencoderTiny, but are not expected"
    wrong = harmless.replace("AutoencoderTiny", "UNet2DConditionModel")
    with quiet_loading("diffusers", "transformers"):
        logger.warning(harmless)
        logger.warning(wrong)
        logging.getLogger(IMPORTS).warning("no tokenizers installed")
    assert messages == [wrong, "no tokenizers installed"]
    logger.warning(harmless)
    assert messages[-1] == harmless


def test_a_model_whose_scheduler_clips_samples_is_loaded_without_a_warning(recwarn):
    """By diffusers itself, as the first of Stable Diffusion 2; of other settings it still warns."""
    for setting, count in (
        ({"clip_sample": True}, 0),
        ({"clip_sample": False, "steps_offset": 0}, 1),
    ):
        settings = {"steps_offset": 1, "clip_sample": False, **setting}
        parts = dict.fromkeys(("vae", "text_encoder", "tokenizer", "unet", "safety_checker"))
        with quiet_loading("diffusers"):
            pipe = StableDiffusionPipeline(
                scheduler=DDIMScheduler(**settings),
                feature_extractor=None,
                requires_safety_checker=False,
                **parts,
            )
        assert pipe.scheduler.config.clip_sample is False
        assert [one.category for one in recwarn.list] == [FutureWarning] * count
    # Whoever loads such a model without us is warned, as before.
    with pytest.warns(FutureWarning, match="clip_sample"):
        warnings.warn("S has not set the configuration `clip_sample`.", FutureWarning, stacklevel=1)


@pytest.mark.parametrize("library_bars", [True, False])
@pytest.mark.parametrize("hub_bars", [True, False])
def test_bars_of_loading_are_off_meanwhile_and_every_setting_is_as_before(library_bars, hub_bars):
    def switch(library, hub_):
        for logging_ in LIBRARIES:
            (logging_.enable_progress_bar if library else logging_.disable_progress_bar)()
        (hub.enable_progress_bars if hub_ else hub.disable_progress_bars)()

    switch(library_bars, hub_bars)
    try:
        with quiet_loading("diffusers", "transformers"):
            assert not any(one.is_progress_bar_enabled() for one in LIBRARIES)
            assert hub.are_progress_bars_disabled() == (not hub_bars)
        assert all(one.is_progress_bar_enabled() == library_bars for one in LIBRARIES)
        assert hub.are_progress_bars_disabled() == (not hub_bars)
    finally:
        switch(True, True)


def test_settings_are_restored_after_an_error():
    with pytest.raises(OSError, match="no such file"), quiet_loading("diffusers", "transformers"):
        raise OSError("no such file")
    assert all(one.is_progress_bar_enabled() for one in LIBRARIES)
