"""No pruning: every trial is trained to its end."""

from fesearch.search.halving import Halving
from fesearch.search.pruner import Pruner, Rule, Terms


def _rungs(first: int, reduction_factor: int, maximum: int) -> tuple[int, ...]:
    return ()


def _make(terms: Terms) -> Rule:
    return Halving((), terms.reduction_factor)


PRUNER = Pruner("none", "Every trial to its end", _rungs, _make, terms=())
