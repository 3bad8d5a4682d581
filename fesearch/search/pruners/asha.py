"""Asynchronous successive halving (Li et al. 2020); see ``halving`` for the rule."""

from fesearch.search.halving import Halving, rungs
from fesearch.search.pruner import Pruner, Rule, Terms


def _make(terms: Terms) -> Rule:
    return Halving(terms.rungs, terms.reduction_factor)


PRUNER = Pruner("asha", "Asynchronous successive halving", rungs, _make)
