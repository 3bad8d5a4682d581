"""Threads that torch computes with, for those who use it and are no network."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Inside, torch computes with so many threads."""
    import torch

    with restored():
        torch.set_num_threads(threads)
        yield


@contextmanager
def restored() -> Iterator[None]:
    """Afterwards torch, where it is loaded, computes with as many threads as before."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
