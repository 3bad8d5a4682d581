"""Stacks: the published widths, the interpolation between them, and the module."""

from collections import Counter
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.nets.config import BEST_2019 as BEST
from fesearch.nets.config import FULL_STACK, check_stack
from fesearch.nets.layers import Norm, Run, Shortcut, parse, taper, written
from fesearch.nets.stack import Block, Stack
from fesearch.nets.train import NetLearner
from fesearch.space import Config, Space
from fesearch.split import Development

PUBLISHED = {
    17: [1024] * 4 + [512] * 3 + [256] * 3 + [128] * 3 + [64] * 2 + [32],
    24: [1024] * 4 + [512] * 4 + [256] * 4 + [128] * 4 + [64] * 3 + [32] * 2 + [16] * 2,
    48: [1024] * 8 + [512] * 8 + [256] * 8 + [128] * 8 + [64] * 8 + [32] * 4 + [16] * 3,
}


LAYERED: Config = {k: v for k, v in BEST.items() if k not in ("layers", "depth", "width", "norm")}


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
    assert sum(run.count for run in stack.runs) == depth - 1
    assert min(run.width for run in stack.runs) >= 8
    assert all(wide.width >= narrow.width for wide, narrow in pairwise(stack.runs))


def of(config: Config, shortcut: Shortcut) -> Stack:
    return Stack.of(config, inputs=145, shortcut=shortcut)


@pytest.mark.parametrize(
    ("depth", "shortcut", "expected"),
    [  # counted from Table 1: weights and biases, two numbers of batch norm a unit, projections
        (17, "none", 4_705_665),
        (24, "none", 5_058_673),
        (48, "none", 10_676_257),
        (17, "block", 5_554_529),
        (24, "block", 5_908_065),
        (48, "block", 11_525_649),
        (17, "layer", 5_554_529),
        (24, "layer", 5_908_065),
        (48, "layer", 11_525_649),
    ],
)
def test_parameters_of_the_nine_published_networks(
    depth: int, shortcut: Shortcut, expected: int
) -> None:
    with torch.device("meta"):
        net = of({**BEST, "depth": depth}, shortcut).net()
    assert parameters(net) == expected == by_hand(depth, shortcut)


def by_hand(depth: int, shortcut: Shortcut) -> int:
    """The same count from the list of widths alone."""
    total, inputs = 0, 145
    for wide, count in Counter(PUBLISHED[depth]).items():
        total += inputs * wide + (count - 1) * wide * wide + count * 3 * wide
        total += (inputs + 1) * wide if shortcut != "none" else 0  # only the first changes width
        inputs = wide
    return total + inputs + 1


PUBLISHED_TEXTS = {
    (17, "none"): "1024BAx4-512BAx3-256BAx3-128BAx3-64BAx2-32BAx1-1",
    (17, "block"): "1024BAx4R-512BAx3R-256BAx3R-128BAx3R-64BAx2R-32BAx1R-1",
    (17, "layer"): "1024BARx4-512BARx3-256BARx3-128BARx3-64BARx2-32BARx1-1",
    (24, "layer"): "1024BARx4-512BARx4-256BARx4-128BARx4-64BARx3-32BARx2-16BARx2-1",
    (24, "none"): "1024BAx4-512BAx4-256BAx4-128BAx4-64BAx3-32BAx2-16BAx2-1",
    (24, "block"): "1024BAx4R-512BAx4R-256BAx4R-128BAx4R-64BAx3R-32BAx2R-16BAx2R-1",
    (48, "block"): "1024BAx4R-1024BAx4R-512BAx4R-512BAx4R-256BAx4R-256BAx4R-128BAx4R-128BAx4R"
    "-64BAx4R-64BAx4R-32BAx4R-16BAx3R-1",
}
"""Layer texts as IRNet's published code lists them for its networks."""


@pytest.mark.parametrize(("network", "text"), PUBLISHED_TEXTS.items())
def test_a_published_text_is_the_network_of_its_depth(
    network: tuple[int, Shortcut], text: str
) -> None:
    depth, shortcut = network
    assert written(of({**BEST, "depth": depth}, shortcut).runs) == text
    assert (
        of({**LAYERED, "layers": text}, "none").runs == of({**BEST, "depth": depth}, shortcut).runs
    )


@pytest.mark.parametrize(
    ("run", "norm", "shortcut"),
    [
        ("8x2", None, "none"),
        ("8Ax2", None, "none"),
        ("8Rx2", None, "layer"),
        ("8BAx2", "before", "none"),
        ("8BARx2", "before", "layer"),
        ("8Bx2", "after", "none"),
        ("8BRx2", "after", "layer"),
        ("8Bx2R", "after", "block"),
    ],
)
def test_letters_mean_what_they_do_in_the_published_code(
    run: str, norm: Norm | None, shortcut: Shortcut
) -> None:
    assert parse(f"{run}-1") == (Run(8, 2, norm, shortcut),)


@pytest.mark.parametrize(
    ("norm", "shortcut", "text"),
    [
        ("after", "none", "1024Bx4-512Bx3-256Bx3-128Bx3-64Bx2-32Bx1-1"),
        ("after", "layer", "1024BRx4-512BRx3-256BRx3-128BRx3-64BRx2-32BRx1-1"),
        (None, "none", "1024Ax4-512Ax3-256Ax3-128Ax3-64Ax2-32Ax1-1"),
    ],
)
def test_the_published_code_builds_what_is_written(
    norm: str | None, shortcut: Shortcut, text: str
) -> None:
    assert written(of({**BEST, "norm": norm}, shortcut).runs) == text


@pytest.mark.parametrize(
    ("name", "shortcut", "count"),
    [("plain_mlp", "none", 0), ("srnet", "block", 6), ("irnet", "layer", 16)],
)
def test_a_family_has_the_shortcut_of_its_paper(name: str, shortcut: Shortcut, count: int) -> None:
    family = FAMILIES.get(name)
    assert family.layers is not None
    assert family.layers(BEST) == PUBLISHED_TEXTS[17, shortcut]
    x, y = np.eye(4, dtype=np.float32), np.arange(4.0)
    data = Development(train_x=x, train_y=y, val_x=x, val_y=y)
    learner = family.build({**BEST, "width": 1 / 16}, data, seed=1, threads=1, device="cpu")
    assert isinstance(learner, NetLearner)
    assert sum(block.shortcut is not None for block in blocks(learner.net)) == count


def test_runs_of_the_deepest_irnet_may_be_written_apart_as_published() -> None:
    twice = "-".join(f"{width}BARx4-{width}BARx4" for width in (1024, 512, 256, 128, 64))
    with torch.device("meta"):
        apart = of({**LAYERED, "layers": f"{twice}-32BARx4-16BARx3-1"}, "none").net()
    assert parameters(apart) == by_hand(48, "layer")


RUNS = st.builds(
    Run,
    width=st.integers(1, 1 << 14),
    count=st.integers(1, 11),
    norm=st.sampled_from([None, "before", "after"]),
    shortcut=st.sampled_from(["none", "block", "layer"]),
    dropout=st.booleans(),
)


@given(st.lists(RUNS, min_size=2, max_size=4))
def test_a_written_text_is_read_again(runs: list[Run]) -> None:
    assert parse(written(runs)) == tuple(runs)


@given(
    st.text(max_size=30)
    | st.from_regex(r"[0-9]{1,5}[BAR]{0,3}x[0-9][RD]{0,2}(-1)?", fullmatch=True)
)
def test_any_other_text_is_refused(text: str) -> None:
    with suppress(InputError):
        assert 3 <= 1 + sum(run.count for run in parse(text)) <= 48


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1024BARx4-512", "'layers' is '1024BARx4-512', and '512' is no run of layers."),
        ("1024BRAx4-1", "'layers' is '1024BRAx4-1', and '1024BRAx4' is no run"),
        ("1024BAx4R-8AxR-1", "and '8AxR' is no run"),
        ("64BARx4R-1", "and '64BARx4R' is no run"),
        ("8ABx2-1", "and '8ABx2' is no run"),
        ("1024Bx4-1R", "'layers' is '1024Bx4-1R', and its output 1R has a ReLU."),
        ("64BARx1-1", "'layers' is '64BARx1-1', 2 layers."),
        ("", "'layers' is '', and '' is no run"),
    ],
)
def test_a_wrong_text_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert message in caught.value.message


def test_a_text_stands_in_for_depth_width_and_norm() -> None:
    check_stack({**LAYERED, "layers": "64BARx2-32BARx1-1"})
    with pytest.raises(InputError, match="'depth' is given but unused"):
        check_stack({**BEST, "layers": "64BARx2-32BARx1-1"})
    with pytest.raises(InputError, match="have dropout"):
        check_stack({**LAYERED, "layers": "64x2D-1"})
    check_stack({**LAYERED, "layers": "64x2D-1", "dropout": 0.1})
    space = Space(FULL_STACK).replace("layers", "64x2D-32x1-1")
    assert not {"depth", "width", "norm"} & space.sample(0).keys()


def test_parameters_of_each_shortcut_by_hand() -> None:
    layers = (3 * 8 + 8) + (8 * 8 + 8) + (8 * 4 + 4) + (4 + 1) + 2 * (8 + 8 + 4)
    projections = (3 * 8 + 8) + (8 * 4 + 4)
    for shortcut, expected in (("none", 0), ("layer", projections), ("block", projections)):
        runs = (Run(8, 2, "before", shortcut), Run(4, 1, "before", shortcut))  # type: ignore[arg-type]
        assert parameters(Stack(3, runs).net()) == layers + expected


def test_a_shortcut_spans_a_layer_in_irnet_and_at_most_four_equal_ones_in_srnet() -> None:
    def sizes(depth: int, shortcut: Shortcut) -> list[int]:
        with torch.device("meta"):
            net = of({**BEST, "depth": depth}, shortcut).net()
        return [len(block.layers) for block in blocks(net)]

    assert sizes(17, "layer") == [1] * 16
    assert sizes(17, "block") == [4, 3, 3, 3, 2, 1]
    assert sizes(48, "block") == [4] * 10 + [4, 3]


def test_a_shortcut_is_the_identity_where_widths_agree_and_added_after_the_activation() -> None:
    first, second = blocks(Stack(3, (Run(8, 2, "before", "layer"),)).net())
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
    (block,) = blocks(Stack(3, (Run(8, 1, norm, "layer"),)).net())  # type: ignore[arg-type]
    assert [type(part).__name__ for part in block.layers[0]] == order  # type: ignore[arg-type]


def test_dropout_follows_the_first_four_runs_of_equal_width() -> None:
    with torch.device("meta"):
        net = of({**BEST, "dropout": 0.3}, "layer").net()
    places = [i for i, part in enumerate(net.hidden) if isinstance(part, torch.nn.Dropout)]
    assert places == [4, 8, 12, 16]
    plain = of(BEST, "layer").net()
    assert not any(isinstance(part, torch.nn.Dropout) for part in plain.modules())


@pytest.mark.parametrize(
    ("output", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, float("inf"))]
)
def test_an_output_activation_bounds_the_output(output: str, low: float, high: float) -> None:
    net = Stack(3, (Run(8, 2, "before", "layer"),), output_activation=output).net()
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
    runs = (Run(16, 3, norm, shortcut), Run(8, 1, norm, shortcut))  # type: ignore[arg-type]
    net = Stack(5, runs, activation=activation).net()
    net(torch.randn(64, 5)).square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        if weight.ndim == 2:
            assert weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("family", "layers", "other"),
    [
        ("plain_mlp", "64BARx2-32BARx1-1", "irnet"),
        ("dnn", "64Ax2R-32Ax1-1", "srnet"),
        ("srnet", "64BARx2-32BAx1-1", "irnet"),
        ("srnet", "64BAx2-32BAx1-1", "plain_mlp"),
        ("irnet", "64BAx2-32BAx1-1", "plain_mlp"),
        ("irnet", "64BAx2R-32BAx1R-1", "srnet"),
    ],
)
def test_layers_are_of_the_family_they_are_ranked_by(family: str, layers: str, other: str) -> None:
    config = {**LAYERED, "layers": layers}
    with pytest.raises(InputError, match=f"The layers '{layers}' have ") as caught:
        FAMILIES.get(family).check(config)
    assert caught.value.hint == f"That network is of the family {other}."
    FAMILIES.get(other).check(config)
