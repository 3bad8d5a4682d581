"""Learning rates over training, against torch's schedulers."""

import math

import numpy as np
import pytest
import torch

from fesearch.errors import InputError
from fesearch.nets.schedule import Schedule, cosine


def rates(kind: str, epochs: int, steps: int) -> list[float]:
    schedule = Schedule(kind, epochs)
    return [schedule.at(epoch, step / steps) for epoch in range(epochs) for step in range(steps)]


def test_constant_stays() -> None:
    schedule = Schedule("constant")
    schedule.seen(1.0)
    for _ in range(50):
        schedule.seen(2.0)
    assert schedule.at(70, 0.5) == 1.0


def test_cosine_is_that_of_torch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    expected = []
    for _ in range(12):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates("cosine", 4, 3), expected, atol=1e-12)
    assert cosine(1.5) == 0.0


def test_one_cycle_is_that_of_torch_but_for_half_a_step() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    steps = 4000  # torch ends on its last step, we at the end of it
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, steps, cycle_momentum=False)
    expected = []
    for _ in range(steps):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates("one_cycle", 40, 100), expected, atol=2e-3)


def test_plateau_halves_after_ten_epochs_without_a_better_error() -> None:
    schedule = Schedule("plateau")
    for error in [3.0, 2.0, *[2.0] * 10]:
        schedule.seen(error)
        assert schedule.at(0, 0.0) == 1.0
    schedule.seen(2.0)
    assert schedule.at(0, 0.0) == 0.5
    schedule.seen(1.0)
    for _ in range(11):
        schedule.seen(math.nan)
    assert schedule.at(0, 0.0) == 0.25


def test_a_schedule_is_restored() -> None:
    schedule, other = Schedule("plateau"), Schedule("plateau")
    for _ in range(15):
        schedule.seen(1.0)
    other.restore(schedule.arrays())
    assert other == schedule
    with pytest.raises(InputError, match="lacks the array"):
        other.restore({})
