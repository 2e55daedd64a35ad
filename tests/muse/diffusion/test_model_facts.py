"""What a method asks of a model in vain is known from the model's name and settings."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.model_facts import ModelFacts
from muse.method import Method
from muse.mini import WEIGHTS


@pytest.fixture
def turbo(tmp_path):
    """The embedded model under the name of a distilled one."""
    (tmp_path / "dream-turbo").symlink_to(WEIGHTS / "diffusion")
    return tmp_path / "dream-turbo"


def test_they_are_read_from_a_folder_or_a_single_file(turbo, tmp_path):
    facts = ModelFacts.named(turbo, ["style"])
    assert facts == ModelFacts.of(str(turbo), turbo, ["style"])
    assert facts.family == "StableDiffusionPipeline"
    assert facts.scheduler["prediction_type"] == "v_prediction"
    assert facts.network["sample_size"]
    file = tmp_path / "dream.safetensors"
    save_file({"model.diffusion_model.joint_blocks.0.x": np.zeros(3, np.float32)}, file)
    single = ModelFacts.named(str(file))
    assert (single.family, single.network) == ("StableDiffusion3Pipeline", {})
    assert single.scheduler["_class_name"] == "FlowMatchEulerDiscreteScheduler"


def test_what_is_asked_in_vain_is_a_sentence_each(turbo):
    facts = ModelFacts.named(turbo)
    told = facts.warnings(Method(eta=0.5, sampler="euler"))
    assert told[0].startswith("dream-turbo was distilled to few steps and little guidance")
    assert told[1].startswith("method.eta: no effect with EulerDiscreteScheduler")
    assert ModelFacts.named(WEIGHTS / "diffusion").warnings(Method()) == []
    few = Method(steps=4, guidance_scale=1.0, edit_guidance_scale=1.0)
    assert facts.warnings(few) == []


def test_another_prediction_than_that_of_the_folder_is_refused(turbo):
    facts = ModelFacts.named(turbo)
    facts.check(Method(scheduler={"prediction_type": "v_prediction"}))
    with pytest.raises(ValueError, match="is 'epsilon', but the model's is 'v_prediction'"):
        facts.check(Method(scheduler={"prediction_type": "epsilon"}))
