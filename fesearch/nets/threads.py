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
def restored(*, needed: bool = False) -> Iterator[None]:
    """Afterwards torch computes with as many threads as before.

    Args:
        needed: it is going to be loaded inside, if it is not; else nothing is done for it then.
    """
    if needed:
        import torch as _  # noqa: F401
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
