"""The small data that families are checked with, for other tests of training."""

from fesearch.contract.data import compositions, data_for, linear

__all__ = ["compositions", "data_for", "linear"]
