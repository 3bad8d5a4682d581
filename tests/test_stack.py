"""Stacks: the published widths, the interpolation between them, and the module."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.families.irnet import BEST
from fesearch.nets.stack import Block, Shortcut, Stack, taper

PUBLISHED = {
    17: [1024] * 4 + [512] * 3 + [256] * 3 + [128] * 3 + [64] * 2 + [32],
    24: [1024] * 4 + [512] * 4 + [256] * 4 + [128] * 4 + [64] * 3 + [32] * 2 + [16] * 2,
    48: [1024] * 8 + [512] * 8 + [256] * 8 + [128] * 8 + [64] * 8 + [32] * 4 + [16] * 3,
}


def parameters(net: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def blocks(net: torch.nn.Module) -> list[Block]:
    return [module for module in net.modules() if isinstance(module, Block)]


@pytest.mark.parametrize("depth", PUBLISHED)
def test_published_widths_are_exact(depth: int) -> None:
    assert list(taper(depth)) == PUBLISHED[depth]


@pytest.mark.parametrize("depth", range(3, 49))
def test_every_depth_has_its_number_of_layers_and_never_widens(depth: int) -> None:
    widths = taper(depth)
    assert len(widths) == depth - 1
    assert all(wide >= narrow for wide, narrow in pairwise(widths))


def test_the_shortest_network_spans_the_range() -> None:
    assert taper(3) == (1024, 128)


@pytest.mark.parametrize("depth", [2, 49, 0, -17])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(InputError, match=f"A network has depth {depth}"):
        taper(depth)


@given(st.integers(3, 48), st.floats(1 / 128, 16.0))
def test_scaled_widths_never_widen_nor_vanish(depth: int, width: float) -> None:
    stack = Stack.of({**BEST, "depth": depth, "width": width}, inputs=5, shortcut="layer")
    assert len(stack.widths) == depth - 1
    assert min(stack.widths) >= 8
    assert all(wide >= narrow for wide, narrow in pairwise(stack.widths))


def test_irnet_17_on_145_features_has_5554529_parameters() -> None:
    assert parameters(Stack.of(BEST, inputs=145, shortcut="layer").net()) == 5_554_529


def test_parameters_of_each_shortcut_by_hand() -> None:
    widths = (8, 8, 4)
    layers = (3 * 8 + 8) + (8 * 8 + 8) + (8 * 4 + 4) + (4 + 1) + 2 * (8 + 8 + 4)
    projections = (3 * 8 + 8) + (8 * 4 + 4)
    for shortcut, expected in (("none", 0), ("layer", projections), ("block", projections)):
        net = Stack(3, widths, shortcut).net()  # type: ignore[arg-type]
        assert parameters(net) == layers + expected


def test_a_shortcut_spans_a_layer_in_irnet_and_at_most_four_equal_ones_in_srnet() -> None:
    def sizes(depth: int, shortcut: Shortcut) -> list[int]:
        with torch.device("meta"):
            net = Stack(145, taper(depth), shortcut).net()
        return [len(block.layers) for block in blocks(net)]

    assert sizes(17, "layer") == [1] * 16
    assert sizes(17, "block") == [4, 3, 3, 3, 2, 1]
    assert sizes(48, "block") == [4] * 10 + [4, 3]


def test_a_shortcut_is_the_identity_where_widths_agree_and_added_after_the_activation() -> None:
    first, second = blocks(Stack(3, (8, 8), "layer").net())
    assert isinstance(first.shortcut, torch.nn.Linear)
    assert first.shortcut.bias is not None
    x = torch.full((4, 8), -5.0)
    torch.testing.assert_close(second(x) - second.layers(x), x)
    assert (second.layers(x) >= 0).all()


@pytest.mark.parametrize(
    ("norm", "order"),
    [
        (None, ["Linear", "ReLU"]),
        ("before", ["Linear", "BatchNorm1d", "ReLU"]),
        ("after", ["Linear", "ReLU", "BatchNorm1d"]),
    ],
)
def test_batch_norm_stands_where_the_config_says(norm: str | None, order: list[str]) -> None:
    (block,) = blocks(Stack(3, (8,), "layer", norm=norm).net())
    assert [type(part).__name__ for part in block.layers[0]] == order  # type: ignore[arg-type]


def test_dropout_follows_the_first_four_runs_of_equal_width() -> None:
    with torch.device("meta"):
        net = Stack(145, taper(17), "layer", dropout=0.3).net()
    places = [i for i, part in enumerate(net.hidden) if isinstance(part, torch.nn.Dropout)]
    assert places == [4, 8, 12, 16]
    plain = Stack(3, (8, 8), "layer").net()
    assert not any(isinstance(part, torch.nn.Dropout) for part in plain.modules())


@pytest.mark.parametrize(
    ("output", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, float("inf"))]
)
def test_an_output_activation_bounds_the_output(output: str, low: float, high: float) -> None:
    net = Stack(3, (8, 8), "layer", output_activation=output).net()
    y = net(10 * torch.randn(50, 3))
    assert y.shape == (50,)
    assert (y >= low).all()
    assert (y <= high).all()


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu", "silu"])
@pytest.mark.parametrize("norm", [None, "before", "after"])
@pytest.mark.parametrize("shortcut", ["none", "block", "layer"])
def test_the_gradient_reaches_every_weight(
    activation: str, norm: str | None, shortcut: Shortcut
) -> None:
    torch.manual_seed(0)
    net = Stack(5, (16, 16, 16, 8), shortcut, activation=activation, norm=norm).net()
    net(torch.randn(64, 5)).square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        if weight.ndim == 2:
            assert weight.grad.abs().sum() > 0, name
