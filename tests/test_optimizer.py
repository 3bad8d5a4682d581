"""Our optimizers are torch's, bit for bit."""

import subprocess
import sys
from collections.abc import Callable, Iterable

import pytest
import torch

from fesearch.nets.optimizer import STATE, Optimizer

SHAPES = ((5, 3), (5,), (1, 5), (1,))
TORCHS: dict[str, Callable[[Iterable[torch.Tensor]], torch.optim.Optimizer]] = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, weight_decay=0.01, fused=True),
    "momentum": lambda weights: torch.optim.SGD(
        weights, lr=0.1, momentum=0.8, weight_decay=0.01, fused=True
    ),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.1, weight_decay=0.01, fused=True),
    "adamw": lambda weights: torch.optim.AdamW(weights, lr=0.1, weight_decay=0.01, fused=True),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=0.1, weight_decay=0.01),
    "adadelta": lambda weights: torch.optim.Adadelta(weights, lr=0.1, weight_decay=0.01),
}


def weights() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in SHAPES]


def give_gradients(weights: list[torch.Tensor], step: int) -> None:
    """The same at the same step; from the third one on the last weight has none every other."""
    generator = torch.Generator().manual_seed(step)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)
    if step >= 2 and step % 2:
        weights[-1].grad = None


def ours(kind: str, weights: list[torch.Tensor]) -> Optimizer:
    return Optimizer(kind, weights, decay=0.01, momentum=0.8)


@pytest.mark.parametrize("kind", STATE)
def test_steps_are_those_of_torch(kind: str) -> None:
    mine, theirs = weights(), weights()
    optimizer, reference = ours(kind, mine), TORCHS[kind](theirs)
    for step in range(12):
        rate = 0.1 / (step + 1)
        for group in reference.param_groups:
            group["lr"] = rate
        give_gradients(mine, step)
        give_gradients(theirs, step)
        optimizer.step(rate)
        reference.step()
        assert all(map(torch.equal, mine, theirs))
    held = reference.state_dict()["state"]
    state = optimizer.state()
    assert state.keys() == {f"{place}.{name}" for place in held for name in STATE[kind]}
    for key, value in state.items():
        place, name = key.split(".")
        assert torch.equal(value, held[int(place)][name])
        assert value.dtype == held[int(place)][name].dtype


@pytest.mark.parametrize("kind", STATE)
def test_it_goes_on_from_its_state(kind: str) -> None:
    whole, parts = weights(), weights()
    optimizer, first = ours(kind, whole), ours(kind, parts)
    assert not first.state()
    for step in range(5):
        give_gradients(whole, step)
        optimizer.step(0.1)
    for step in range(3):
        give_gradients(parts, step)
        first.step(0.1)
    second = ours(kind, parts)
    second.restore({key: value.clone() for key, value in first.state().items()})
    for step in range(3, 5):
        give_gradients(parts, step)
        second.step(0.1)
    assert all(map(torch.equal, whole, parts))


def test_gradients_are_dropped() -> None:
    mine = weights()
    give_gradients(mine, 0)
    ours("adam", mine).clear()
    assert all(weight.grad is None for weight in mine)


def test_training_does_not_load_torchs_compiler() -> None:
    """It takes two seconds, of every worker that starts."""
    code = (
        "import sys, numpy as np\n"
        "from fesearch.family import FAMILIES\n"
        "from fesearch.split import Development\n"
        "x, y = np.eye(8, dtype=np.float32), np.arange(8.0)\n"
        "family = FAMILIES.get('irnet')\n"
        "config = family.published.replace('depth', 3).replace('width', 0.125)\n"
        "config = config.nearest(family.best)\n"
        "data = Development(x, y, x, y)\n"
        "family.build(config, data, seed=1, threads=1, device='cpu').advance()\n"
        "assert 'torch' in sys.modules\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
