"""The training loop: stopped and resumed, it ends with the same weights."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from jobs.world import training_loop as training

STEPS, COUNT, BATCH = 40, 24, 4


@pytest.fixture(autouse=True)
def _minutes_fly(monkeypatch):
    """A clock by which the loop keeps a checkpoint every few steps."""
    ticks = itertools.count(0.0, 50.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


def _train(work, seed: int, stop_at: int = STEPS, muon: bool = False) -> dict[str, torch.Tensor]:
    """Weights of a tiny net with noise and a running mean, trained until `stop_at`."""
    torch.manual_seed(seed)  # fresh weights, which a checkpoint replaces
    net, mean = nn.Linear(3, 2), nn.Linear(3, 2)
    mean.load_state_dict(net.state_dict())
    data = torch.randn(COUNT, 3, generator=torch.Generator().manual_seed(5))
    parts = {"net": net, "ema": mean}
    loop = training.Training("tiny", work, parts, rate=0.05, steps=STEPS, muon=muon)
    batches = training.stream(3, COUNT, BATCH, 1, loop.step)

    def loss(step: int) -> torch.Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        rows = data[torch.from_numpy(next(batches))]
        noise = torch.randn(rows.shape, generator=training.generator(3, step, 1))
        return (net(rows + 0.1 * noise).float() - rows[:, :2]).square().mean()

    def follow() -> None:
        with torch.no_grad():
            for kept, now in zip(mean.parameters(), net.parameters(), strict=True):
                kept.lerp_(now, 0.1)

    loop.run(loss, follow)
    return {
        f"{name} {key}": value
        for name, part in loop.parts.items()
        for key, value in part.state_dict().items()
    }


@pytest.mark.parametrize("muon", [False, True])
def test_stopped_in_a_step_and_resumed_it_ends_with_the_same_weights(tmp_path, muon):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = _train(tmp_path / "whole", seed=0, muon=muon)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "stopped", seed=0, stop_at=22, muon=muon)
    kept = torch.load(tmp_path / "stopped" / "tiny.pt", weights_only=True)["step"]
    assert 0 < kept < 22  # steps were lost, and have to be made again
    resumed = _train(tmp_path / "stopped", seed=1, muon=muon)
    assert resumed.keys() == whole.keys()
    for key, value in whole.items():
        assert torch.equal(resumed[key], value), key
    assert not torch.equal(whole["net weight"], whole["ema weight"])


def test_a_training_that_is_finished_stays_as_it_is(tmp_path):
    whole = _train(tmp_path, seed=0)
    for key, value in _train(tmp_path, seed=1, stop_at=0).items():
        assert torch.equal(value, whole[key])


def test_muon_moves_matrices_and_adamw_the_rest(tmp_path):
    net = nn.Linear(3, 2)
    loop = training.Training("tiny", tmp_path, {"net": net}, rate=0.05, steps=STEPS, muon=True)
    moved = [[p.shape for p in o.param_groups[0]["params"]] for o in loop.optimizers]
    assert moved == [[net.bias.shape], [net.weight.shape]]
