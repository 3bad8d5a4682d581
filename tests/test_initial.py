"""The weights that training begins from, and that deep networks without norm learn with them."""

import math

import numpy as np
import pytest
import torch
from linear import linear
from torch import nn

from fesearch.family import FAMILIES
from fesearch.nets.conv import GridNet
from fesearch.nets.layers import Norm, Run, Shortcut
from fesearch.nets.recurrent import GATE_BIAS, SequenceNet
from fesearch.nets.stack import Stack


def glorot(layer: nn.Linear | nn.Conv2d) -> bool:
    """Whether the weights fill Glorot's limits, and biases are 0, which torch's are not."""
    taken, given = nn.init._calculate_fan_in_and_fan_out(layer.weight)
    limit = math.sqrt(6 / (taken + given))
    within = 0.8 * limit < layer.weight.abs().max().item() <= limit
    return within and (layer.bias is None or not layer.bias.any())


def layers(norm: Norm | None, shortcut: Shortcut) -> list[nn.Linear]:
    torch.manual_seed(0)
    net = Stack(20, (Run(30, 2, norm, shortcut), Run(20, 2, norm, shortcut))).net()
    return [layer for layer in net.modules() if isinstance(layer, nn.Linear)]


def test_a_stack_without_norm_and_shortcuts_begins_with_weights_of_glorot() -> None:
    assert all(map(glorot, layers(None, "none")))


@pytest.mark.parametrize("norm", ["before", "after", None])
@pytest.mark.parametrize("shortcut", ["none", "block", "layer"])
def test_others_begin_with_those_of_torch(norm: Norm | None, shortcut: Shortcut) -> None:
    if norm is not None or shortcut != "none":
        assert not any(map(glorot, layers(norm, shortcut)))


@pytest.mark.parametrize("norm", [False, True])
def test_convolutions_without_norm_begin_with_weights_of_glorot(norm: bool) -> None:
    torch.manual_seed(0)
    net = GridNet(
        depth=3, channels=8, kernel=3, hidden=32, activation="relu", norm=norm, dropout=0.0
    )
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    assert [glorot(layer) for layer in layers] == [not norm] * 5


def test_the_rnn_begins_with_weights_of_glorot_and_open_forget_gates() -> None:
    torch.manual_seed(0)
    net = SequenceNet(hidden=16, highways=2, dropout=0.0)
    assert glorot(net.key)
    assert glorot(net.output)
    for highway in net.highways:
        assert (highway.gate.bias == GATE_BIAS).all()  # type: ignore[union-attr]
    gates = net.lstm.bias_ih_l0.view(4, 16)
    assert (gates[1] > 0.7).all()
    assert (gates[[0, 2, 3]].abs() <= 0.25).all()


DNN = FAMILIES.get("dnn")
DEPTHS = DNN.published.occurring()["depth"].values()


@pytest.mark.parametrize("depth", DEPTHS or ())
def test_signal_and_gradient_come_through_each_published_depth_without_norm(depth: int) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(200, 145), torch.randn(200)
    net = Stack.of({**DNN.best, "depth": depth}, inputs=145, shortcut="none").net()
    found = net(x)
    nn.functional.mse_loss(found, y).backward()
    first = next(iter(net.parameters()))
    assert first.grad is not None
    assert found.std() > 1e-4  # torch's own weights: 1e-8 of 17 layers and of 21
    assert first.grad.norm() > 1e-3


def test_ten_layers_without_norm_learn() -> None:
    data = linear(1000)
    learner = DNN.build({**DNN.best, "depth": 10}, data, seed=0, threads=1, device="cpu")
    of_mean = np.abs(data.val_y - data.train_y.mean()).mean()
    errors = [float(np.abs(learner.advance() - data.val_y).mean()) for _ in range(15)]
    assert errors[-1] < 0.5 * of_mean
