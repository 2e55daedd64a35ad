"""The files for clusters, validated by the tools and schemas of their readers."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from pipeline.cli import app

CLUSTERS = Path("jobs/clusters").resolve()
TEXT, WHOLE = {"type": "string"}, {"type": "integer", "minimum": 0}
STRINGS = {"type": "object", "additionalProperties": TEXT}


def tool(name: str) -> str:
    found = shutil.which(
        name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    assert found, f"{name} is not installed"
    return found


def flags_of_run(text: str) -> list[str]:
    """The flags after the first `muse-batch run` or `submit` in a YAML file, up to the next key."""
    command = re.search(r"muse-batch (?:run|submit)(.+?)\n *\w+: ", text, re.DOTALL)
    assert command
    return re.findall(r"(?<!\S)--([a-z-]+)", command[1])


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_cluster_launcher_takes_it(cloud):
    config = yaml.safe_load((CLUSTERS / cloud / "cluster.yaml").read_text())
    # As `ray up` does before it asks the cloud for anything.
    complete = prepare_config(config)
    validate_config(complete)
    nodes = complete["available_node_types"]
    assert nodes["head"]["resources"] == {"CPU": 0}, "the head must not be given workers"
    assert complete["available_node_types"]["head"]["max_workers"] == 0
    spot = nodes["gpu-spot"]
    assert spot["labels"] == {"ray.io/market-type": "spot"}
    if cloud == "aws":
        assert spot["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert "InstanceMarketOptions" not in nodes["head"]["node_config"]
    else:
        assert spot["node_config"]["scheduling"]["provisioningModel"] == "SPOT"
        assert spot["resources"]["GPU"] == 1
        assert "scheduling" not in nodes["head"]["node_config"]
    assert complete["docker"]["worker_run_options"][0] == "--gpus=all"


def test_cluster_launcher_would_refuse_an_unknown_key():
    config = yaml.safe_load((CLUSTERS / "aws" / "cluster.yaml").read_text())
    with pytest.raises(jsonschema.ValidationError):
        validate_config({**prepare_config(config), "head_node": {}})


GROUP = {
    "rayStartParams": STRINGS,
    "template": {"type": "object", "required": ["spec"], "additionalProperties": False,
                 "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}}},
}  # fmt: skip
WORKERS = {
    "groupName": TEXT,
    "replicas": WHOLE,
    "minReplicas": WHOLE,
    "maxReplicas": WHOLE,
    "numOfHosts": WHOLE,
}
CLUSTER = {
    "type": "object",
    "required": ["headGroupSpec"],
    "additionalProperties": False,
    "properties": {
        "rayVersion": TEXT,
        "enableInTreeAutoscaling": {"type": "boolean"},
        "autoscalerOptions": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "idleTimeoutSeconds": WHOLE,
                "upscalingMode": {"enum": ["Default", "Aggressive", "Conservative"]},
            },
        },
        "headGroupSpec": {
            "type": "object",
            "required": ["rayStartParams", "template"],
            "additionalProperties": False,
            "properties": {**GROUP, "serviceType": TEXT},
        },
        "workerGroupSpecs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "groupName",
                    "minReplicas",
                    "maxReplicas",
                    "rayStartParams",
                    "template",
                ],
                "additionalProperties": False,
                "properties": {**GROUP, **WORKERS},
            },
        },
    },
}
RAYJOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"pattern": "^[a-z0-9-]{1,47}$"}},
        },
        "spec": {
            "type": "object",
            "required": ["entrypoint", "rayClusterSpec"],
            "additionalProperties": False,
            "properties": {
                "entrypoint": TEXT,
                "backoffLimit": WHOLE,
                "activeDeadlineSeconds": WHOLE,
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": WHOLE,
                "runtimeEnvYAML": TEXT,
                "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
                "rayClusterSpec": CLUSTER,
            },
        },
    },
}
"""The part of KubeRay's RayJob that the file uses, taken from the types of its v1 API, not the CRD
itself. The pods inside are validated against the real schema of Kubernetes."""


def pods(job) -> list[dict]:
    cluster = job["spec"]["rayClusterSpec"]
    return [
        group["template"]["spec"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    ]


@pytest.fixture
def rayjob():
    return yaml.safe_load((CLUSTERS / "kuberay" / "rayjob.yaml").read_text())


def test_rayjob_has_the_form_of_its_kind(rayjob):
    jsonschema.validate(rayjob, RAYJOB)
    for spec in pods(rayjob):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "muse-batch"}, "spec": spec}
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_rayjob_schemas_can_refuse(rayjob):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**rayjob, "spec": {**rayjob["spec"], "retries": 3}}, RAYJOB)
    spec = pods(rayjob)[1]
    spec["containers"][0]["gpus"] = 1
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "muse-batch"}, "spec": spec}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_rayjob_puts_work_on_gpus_alone(rayjob):
    head, worker = pods(rayjob)
    assert rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "nvidia.com/gpu" not in head["containers"][0]["resources"]["limits"]
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert rayjob["spec"]["backoffLimit"] > 0
    assert rayjob["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__


def test_rayjob_mounts_the_models_of_its_command_on_head_and_workers(rayjob):
    named = re.findall(r"--(?:model|guide|judge) (/\S+)", rayjob["spec"]["entrypoint"])
    assert named
    for spec in pods(rayjob):
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {
            mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]
        }
        assert set(mounts.values()) == volumes.keys()
        assert all(any(path.startswith(f"{mount}/") for mount in mounts) for path in named)


def test_folders_that_a_node_makes_are_given_to_the_user_of_the_image(rayjob):
    """A hostPath and a Docker volume are made as root's."""
    image = (CLUSTERS / "docker" / "Dockerfile").read_text()
    (user,) = re.findall(r"^USER (\d+)$", image, re.MULTILINE)
    (cache,) = re.findall(r"HF_HOME=(\S+)", image)
    for spec in pods(rayjob):
        made = [volume["name"] for volume in spec["volumes"] if "hostPath" in volume]
        assert made
        for name in made:
            (container,) = spec["initContainers"]
            assert {"name": name, "mountPath": cache} in container["volumeMounts"]
            assert {"name": name, "mountPath": cache} in spec["containers"][0]["volumeMounts"]
            assert container["securityContext"] == {"runAsUser": 0}
            assert container["command"] == ["chown", user, cache]
    for cloud in ("aws", "gcp"):
        config = yaml.safe_load((CLUSTERS / cloud / "cluster.yaml").read_text())
        (volume,) = [
            option
            for option in config["docker"]["worker_run_options"]
            if option.startswith("--volume")
        ]
        folder, there = volume.removeprefix("--volume ").split(":")
        assert there == cache
        assert config["initialization_commands"] == [
            f"sudo mkdir -p {folder} && sudo chown {user} {folder}"
        ]


@pytest.mark.parametrize("file", ["kuberay/rayjob.yaml", "aws/cluster.yaml", "gcp/cluster.yaml"])
def test_what_stands_for_something_of_the_users_is_marked(file):
    """A block of text cannot hold a comment: there its first line is marked."""
    key, found = "", 0
    for line in (CLUSTERS / file).read_text().splitlines():
        key = line if re.match(r" *(- )?[\w.-]+:( |$)", line) else key
        if re.search(
            r"\b(BUCKET|OWNER|STABLE-DIFFUSION|REGISTRY|ACCOUNT|PROJECT|CHANGE)\b",
            line.partition("#")[0],
        ):
            found += 1
            assert "# change" in key, line
    assert found >= 2


@pytest.mark.parametrize("file", ["kuberay/rayjob.yaml", "aws/cluster.yaml", "gcp/cluster.yaml"])
def test_the_commands_in_the_files_know_their_flags(file):
    import typer

    known = typer.main.get_command(app).commands["run"].params
    names = {option.lstrip("-") for parameter in known for option in parameter.opts}
    flags = flags_of_run((CLUSTERS / file).read_text())
    assert len(flags) >= 4
    assert set(flags) <= names


def test_sbatch_script_is_clean_and_may_be_requeued():
    script = CLUSTERS / "slurm" / "muse-batch.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    done = subprocess.run([tool("shellcheck"), script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = script.read_text().splitlines()
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"--[a-z-]+(=\S+)?", line) for line in directives)
    assert {"--requeue", "--open-mode=append"} <= set(directives)
    # Slurm reads its directives only before the first command.
    commands = [n for n, line in enumerate(lines) if line and not line.startswith("#")]
    assert max(n for n, line in enumerate(lines) if line.startswith("#SBATCH")) < commands[0]


def test_dockerfile_is_clean():
    file = CLUSTERS / "docker" / "Dockerfile"
    done = subprocess.run(
        [tool("hadolint"), "--no-color", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    sources = re.findall(r"^COPY (.+) \S+$", file.read_text(), re.MULTILINE)
    for source in " ".join(sources).split():
        assert (CLUSTERS.parents[1] / source).exists(), source
        assert f"!{source}" in (CLUSTERS.parents[1] / ".dockerignore").read_text().splitlines()
