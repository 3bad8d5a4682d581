"""Networks over elements and pictures: padding, order, gradients, and what they refuse."""

import itertools

import numpy as np
import pytest
import torch
from linear import compositions, linear

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.featuresets import element_grid, element_sequence
from fesearch.nets.attention import LEAST, WAVES, AttentionNet, Fraction
from fesearch.nets.conv import GridNet
from fesearch.nets.recurrent import Highway, SequenceNet
from fesearch.nets.sequence import Elements

FORMULAS = ["Fe2O3", "NaCl", "Al", "Ca3Al2Si3O12", "LiFePO4"]


def sequences(longest: int = 8) -> torch.Tensor:
    return torch.tensor(element_sequence.rows(FORMULAS, longest), dtype=torch.float32)


def net_of(kind: str) -> torch.nn.Module:
    torch.manual_seed(3)
    if kind == "rnn":
        return SequenceNet(hidden=8, highways=2, dropout=0.0).eval()
    if kind == "attention":
        return AttentionNet(blocks=2, heads=2, head_size=4, dropout=0.0).eval()
    return GridNet(
        depth=2, channels=4, kernel=3, hidden=8, activation="relu", norm=True, dropout=0.0
    )


@pytest.mark.parametrize("kind", ["rnn", "attention"])
def test_padding_is_of_no_effect(kind: str) -> None:
    net = net_of(kind)
    torch.testing.assert_close(net(sequences(8)), net(sequences(20)), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["rnn", "attention"])
def test_a_row_does_not_depend_on_the_others_of_its_batch(kind: str) -> None:
    net, x = net_of(kind), sequences()
    alone = torch.cat([net(row[None]) for row in x])
    torch.testing.assert_close(net(x), alone, atol=1e-6, rtol=1e-5)


def test_the_order_of_elements_is_of_no_effect_on_attention_but_on_the_rnn() -> None:
    x = sequences(4)[3:4]
    pairs = x.view(4, 2)
    orders = [pairs[list(order)].reshape(1, 8) for order in itertools.permutations(range(4))]
    attention, rnn = net_of("attention"), net_of("rnn")
    for other in orders:
        torch.testing.assert_close(attention(x), attention(other), atol=1e-6, rtol=1e-5)
    assert len({round(rnn(other).item(), 6) for other in orders}) > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_trains_on_elements_alone_as_it_does_with_padding(dtype: torch.dtype) -> None:
    """What trains on a CPU leaves empty places out; a GPU, predictions and exports have them."""
    net, x = net_of("attention"), sequences()
    x = torch.cat([x, torch.zeros(1, 16)])  # a compound of nothing, as numbers of no element make
    found = []
    for training in (True, False):
        net.train(training).zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            y = net(x)
        y.square().sum().backward()
        found.append([y.detach(), *(weight.grad.clone() for weight in net.parameters())])
    exact = dtype == torch.float32
    for packed, padded in zip(*found, strict=True):
        torch.testing.assert_close(
            *(packed.float(), padded.float()),
            rtol=1e-4 if exact else 0.1,
            atol=1e-6 if exact else 0.1 * float(padded.abs().max()),
        )


def test_fractions_are_read_by_waves_of_them_and_of_their_logarithms() -> None:
    fraction = Fraction(4)
    fraction.layer = torch.nn.Identity()  # type: ignore[assignment]
    [half, least, none] = fraction(torch.tensor([[0.5], [LEAST], [0.0]])).detach()
    found = half[2:].view(2, 2, WAVES)  # sines and cosines, each of the fraction and its logarithm
    waves = np.arange(1, WAVES + 1) * np.pi
    for place, angles in enumerate([0.5 * waves, np.log(0.5) / np.log(LEAST) * waves]):
        np.testing.assert_allclose(found[0, place], np.sin(angles), atol=1e-5)
        np.testing.assert_allclose(found[1, place], np.cos(angles), atol=1e-5)
    assert half[:2].tolist() == pytest.approx([0.5, np.log(0.5)])
    torch.testing.assert_close(least[1], none[1])  # an empty place has no infinite logarithm


def test_the_two_most_attended_elements_go_on_and_one_alone_leaves_zeros() -> None:
    net = net_of("rnn")
    assert isinstance(net, SequenceNet)
    seen: list[torch.Tensor] = []
    net.highways.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        net(sequences())
    vectors = seen[0][:, 16:].view(5, 2, 100)
    assert vectors[2, 0].nonzero().flatten().tolist() == [12]  # Al alone, atomic number 13
    assert not vectors[2, 1].any()
    assert sorted(vectors[1].nonzero()[:, 1].tolist()) == [10, 16]  # Na and Cl
    assert vectors[0].sum().item() == pytest.approx(1.0)  # all of Fe2O3


def test_one_place_in_a_sequence_is_enough() -> None:
    x = torch.tensor(element_sequence.rows(["Al", "Fe"], 1), dtype=torch.float32)
    for kind in ("rnn", "attention"):
        assert net_of(kind)(x).shape == (2,)


def test_numbers_that_are_no_elements_are_no_crash() -> None:
    x = torch.tensor([[1e9, 0.5, -7.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    elements = Elements.of(x)
    assert elements.number.tolist() == [[100, 0], [0, 0]]
    assert elements.present.tolist() == [[True, False], [True, False]]
    for kind in ("rnn", "attention"):
        assert torch.isfinite(net_of(kind)(x)).all()


def test_a_closed_gate_lets_the_input_through() -> None:
    highway = Highway(5)
    torch.nn.init.constant_(highway.gate.bias, -100.0)
    x = torch.randn(3, 5)
    torch.testing.assert_close(highway(x), x)
    torch.nn.init.constant_(highway.gate.bias, 100.0)
    torch.testing.assert_close(highway(x), torch.relu(highway.layer(x)))


@pytest.mark.parametrize("kind", ["rnn", "attention", "cnn"])
def test_the_gradient_reaches_every_weight(kind: str) -> None:
    grid = torch.tensor(element_grid.FEATURE_SET.rows(FORMULAS), dtype=torch.float32)
    net = net_of(kind)
    net(grid if kind == "cnn" else sequences()).square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        if weight.ndim >= 2:
            assert weight.grad.abs().sum() > 0, name


def test_the_picture_keeps_its_place() -> None:
    """Moving an element to another cell changes the output: no pooling forgets where it was."""
    net = net_of("cnn").eval()
    first, second = torch.zeros(2, 100).unbind()
    first[11], second[55] = 1.0, 1.0
    assert net(first[None]) != net(second[None])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rnn", "The family rnn reads sequences of elements, and these features are none."),
        ("attention", "The family attention reads sequences of elements"),
        ("cnn", "The family cnn reads pictures of 100 cells, and there are 8 features."),
    ],
)
def test_other_features_are_refused(name: str, message: str) -> None:
    family = FAMILIES.get(name)
    with pytest.raises(InputError) as caught:
        family.build(family.best, linear(), seed=0, threads=1, device="cpu")
    assert caught.value.message.startswith(message)
    assert "--features element_" in caught.value.hint


def test_longer_sequences_are_read_by_choice() -> None:
    family = FAMILIES.get("rnn")
    data = compositions("element_sequence:longest=12")
    assert data.width == 24
    learner = family.build(family.best, data, seed=0, threads=1, device="cpu")
    assert np.isfinite(learner.advance()).all()
