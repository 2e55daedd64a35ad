"""The classes of parts are told from the names in a model's folder; nothing is loaded."""

import json
import shutil

import pytest

from muse.diffusion.files.hub import configs_of
from muse.diffusion.files.model_files import FAMILIES, ModelFolder
from muse.diffusion.files.part_classes import NETWORKS, class_problems


@pytest.fixture(params=FAMILIES)
def model(request, tmp_path):
    """The folder of a model of each family: its index, and the settings of what is looked at."""
    network = FAMILIES[request.param]
    index = {
        "_class_name": request.param,
        network: ["diffusers", NETWORKS[request.param]],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    for part, (_, kind) in list(index.items())[1:]:
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        (tmp_path / part).mkdir()
        (tmp_path / part / name).write_text(json.dumps({"_class_name": kind}))
    return tmp_path


def _problems(model):
    return list(class_problems(ModelFolder.read(model)))


def _name(model, part, kind):
    """Name another class in model_index.json."""
    index = json.loads((model / "model_index.json").read_text())
    index[part] = ["diffusers", kind]
    (model / "model_index.json").write_text(json.dumps(index))


def _network(model):
    return FAMILIES[ModelFolder.read(model).family]


def test_the_classes_of_each_family_are_taken(model):
    assert _problems(model) == []
    # Those of early releases do not say their class.
    for part in (_network(model), "vae"):
        (model / part / "config.json").write_text('{"in_channels": 4}')
    assert _problems(model) == []


@pytest.mark.parametrize("kind", ["FlaxUNet2DConditionModel", "UNetOfTomorrow", "AutoencoderTiny"])
def test_another_class_in_the_index_is_reported_with_the_right_one(model, kind):
    network = _network(model)
    expected = {network: NETWORKS[ModelFolder.read(model).family], "vae": "AutoencoderKL"}
    for part in expected:
        _name(model, part, kind)
    problems = _problems(model)
    for problem, (part, right) in zip(problems, expected.items(), strict=True):
        assert problem.startswith(f"model_index.json names {kind} as the class of {part}/")
        assert f"is {right}; copy" in problem


def test_the_settings_of_another_part_and_none_are_reported(model):
    network = _network(model)
    shutil.copy(model / "vae" / "config.json", model / network / "config.json")
    (problem,) = _problems(model)
    assert problem.startswith(f"{network}/config.json is that of the class AutoencoderKL, but")
    (model / network / "config.json").write_text("{}")
    (problem,) = _problems(model)
    assert problem.startswith(f"{network}/config.json holds no settings")


def test_a_scheduler_without_its_settings_is_reported(model):
    place = model / "scheduler"
    (place / "scheduler_config.json").rename(place / "config.json")
    (problem,) = _problems(model)
    assert "scheduler_config.json is missing; rename scheduler/config.json to" in problem
    (place / "config.json").unlink()
    (problem,) = _problems(model)
    assert "scheduler_config.json is missing; copy the model again" in problem
    (place / "scheduler_config.json").write_text("{}")
    (problem,) = _problems(model)
    assert problem.startswith("scheduler/scheduler_config.json holds no settings")
    shutil.copy(model / "vae" / "config.json", place / "scheduler_config.json")
    (problem,) = _problems(model)
    assert "is that of the class AutoencoderKL, which is no scheduler" in problem


def test_a_scheduler_is_of_the_class_in_the_index_as_in_diffusers(model):
    _name(model, "scheduler", "HeunDiscreteScheduler")
    assert _problems(model) == []
    assert configs_of(model)[1]["_class_name"] == "HeunDiscreteScheduler"
    # Another sampler may be chosen for one that diffusers has.
    _name(model, "scheduler", "VQDiffusionScheduler")
    assert _problems(model) == []
    for kind in ("SchedulerOfTomorrow", "FlaxDDIMScheduler", "AutoencoderKL"):
        _name(model, "scheduler", kind)
        (problem,) = _problems(model)
        assert f"names {kind} as the scheduler, which diffusers has not" in problem


def test_a_scheduler_whose_packages_are_not_installed_may_be_replaced(model):
    """As one that is installed and cannot be used."""
    _name(model, "scheduler", "DPMSolverSDEScheduler")
    assert _problems(model) == []
