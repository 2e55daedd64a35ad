"""Whether the blocks of a network are compiled, and why."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from muse.diffusion import compiling
from muse.diffusion.compiling import MIN_STEPS, Compiling, Workload, checked, decide, is_compiled

LONG = Workload(MIN_STEPS)


@pytest.fixture
def gpu(monkeypatch):
    """What this machine would say if it had a GPU and the compiler for it."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(compiling, "COMPILER", "torch")


def test_a_long_run_on_a_gpu_is_compiled(gpu):
    assert decide("auto", "cuda", LONG) == Compiling(True, "the run has 500,000 denoising steps")
    assert str(decide("auto", torch.device("cuda:1"), LONG)).startswith("on: ")


@pytest.mark.parametrize(
    ("device", "work", "because"),
    [
        ("cpu", LONG, "nothing is compiled on a device of the kind cpu"),
        ("mps", LONG, "nothing is compiled on a device of the kind mps"),
        ("cuda", Workload(MIN_STEPS - 1), "has 499,999 denoising steps, and compiling pays from"),
        ("cuda", replace(LONG, one_size=False), "the images may be of many sizes"),
    ],
)
def test_nothing_is_compiled_where_that_would_not_gain(gpu, device, work, because):
    decided = decide("auto", device, work)
    assert not decided.is_on
    assert because in decided.because
    assert str(decided) == f"off: {decided.because}"


def test_an_old_gpu_or_no_compiler_is_told(gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (6, 1))
    assert decide("auto", "cuda", LONG).because.startswith("the GPU has compute capability 6.1")
    monkeypatch.setattr(compiling, "COMPILER", "no_such_compiler")
    assert "no_such_compiler" in decide("auto", "cuda", LONG).because


def test_what_the_settings_say_goes_before():
    assert decide("on", "cpu", Workload()) == Compiling(True, "as the settings say")
    assert decide("off", "cuda", LONG) == Compiling(False, "as the settings say")
    with pytest.raises(ValueError, match="compile is 'yes'; choose auto, on, off"):
        decide("yes", "cpu", LONG)


class Block(nn.Module):
    """What is compiled: torch leaves its own modules alone."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, pixels):
        return pixels * self.weight


def _no_compiler(*_):
    raise OSError("no compiler for C")


def _checked(network):
    chosen = Compiling(True, "the run is long")
    pixels = torch.ones(1, 2)
    decided = checked(chosen, network, lambda: network(pixels).sum().backward())
    assert network(pixels).shape == (1, 2)
    return decided, chosen


def test_a_network_that_cannot_be_compiled_here_runs_without():
    network = nn.Sequential(Block(), Block())
    network[0]._compiled_call_impl = _no_compiler
    decided, _ = _checked(network)
    assert not decided.is_on
    assert decided.because == "torch could not compile this model here (OSError)"


def test_one_that_can_be_stays_as_it_is():
    network = nn.Sequential(Block())
    network[0]._compiled_call_impl = network[0]._call_impl
    decided, chosen = _checked(network)
    assert decided is chosen
    assert network[0]._compiled_call_impl is not None


@pytest.mark.research
def test_what_the_compiler_raises_is_told():
    network = nn.Sequential(Block())
    network[0].compile(backend=_no_compiler)
    decided, _ = _checked(network)
    assert decided.because.startswith("torch could not compile this model here (")


def test_on_and_off_are_taken_by_name_and_as_true_and_false():
    assert [is_compiled(setting) for setting in ("on", True)] == [True, True]
    assert [is_compiled(setting) for setting in ("off", False)] == [False, False]
    for unknown in ("auto", 1, None):
        with pytest.raises(ValueError, match=f"compile is {unknown!r}; give on or off"):
            is_compiled(unknown)
