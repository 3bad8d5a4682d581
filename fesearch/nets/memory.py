"""GPU memory that torch keeps for its process, given back to others; no torch is imported."""

import gc
import sys


def let_go() -> None:
    """Give back what this process holds and does not use."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
