"""The weights with which a trained network reads each element; needs no torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.formula import ELEMENTS

if TYPE_CHECKING:
    import numpy as np

Weights = Mapping[str, "np.ndarray"]


def of_first_layer(arrays: Arrays, names: Sequence[str]) -> Weights:
    """Symbol -> (k,) weights of a fully connected first layer of k units, by scaled fraction.

    Args:
        names: of the features; empty where none of them is an element.
    """
    weights = arrays["net.hidden.0.layers.0.0.weight"]  # (k, features)
    known = set(ELEMENTS)
    return {name: weights[:, place] for place, name in enumerate(names) if name in known}


def of_recurrent(arrays: Arrays, names: Sequence[str]) -> Weights:
    """Symbol -> (4 h,) weights by which the gates of an LSTM of h units read an element."""
    weights = arrays["net.lstm.weight_ih_l0"]  # (4 h, elements)
    return {symbol: weights[:, place] for place, symbol in enumerate(ELEMENTS[: weights.shape[1]])}


def of_embedding(arrays: Arrays, names: Sequence[str]) -> Weights:
    """Symbol -> (k,) learned vector; the first row of the table is of no element."""
    vectors = arrays["net.kind.weight"]  # (1 + elements, k)
    return {symbol: vectors[place + 1] for place, symbol in enumerate(ELEMENTS[: len(vectors) - 1])}
