"""Fixtures that several files share: tiny random models, and a server that speaks S3."""

import os
import signal
import tempfile
import warnings

# Several processes test at the same time: idle threads must not spin, and Ray's workers, which
# yield to all others by default, must not starve.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("RAY_worker_niceness", "0")

# What `datasets` prepares in a test is no data of the user's.
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="muse-batch-datasets-")

import pytest
import torch

from tests.support import tiny_models

torch.set_num_threads(1)
# A shell that starts the tests in the background has them ignore Ctrl-C, and commands respect that.
signal.signal(signal.SIGINT, signal.default_int_handler)
warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")


@pytest.fixture(scope="session", autouse=True)
def quick_runs():
    """No waiting for disks, nor for a driver that might start at the same moment; small sheets."""
    from pipeline.index import contact_sheet
    from pipeline.storage import lease

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(lease, "SETTLE_SECONDS", 0.0)
        patch.setattr(contact_sheet, "TILE", 4)
        yield


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    from jobs.world.models import build_tokenizer

    return build_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def random_backbone(tokenizer):
    return tiny_models.tiny_stable_diffusion(tokenizer)


@pytest.fixture(scope="session")
def random_guide():
    return tiny_models.random_classifier()


@pytest.fixture(scope="session")
def random_clip(tokenizer):
    return tiny_models.random_clip_similarity(tokenizer)


@pytest.fixture(scope="session")
def s3_server():
    """A server that speaks S3, in this process: its port."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A proxy before the server, with an empty bucket `corpora`; the environment names it.

    A failed call is soon tried again.
    """
    import boto3
    import fsspec

    from pipeline.storage import attempts
    from tests.support.stores import Proxy, s3_environment

    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.02)
    proxy = Proxy(s3_server, seed=0)
    for name, value in s3_environment(proxy.url).items():
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3", endpoint_url=f"http://127.0.0.1:{s3_server}").Bucket("corpora")
    bucket.create()
    bucket.objects.all().delete()
    proxy.bucket = bucket
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield proxy
    proxy.close()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
