"""From one study seed to named, independent random streams.

A stream depends on the seed and its name alone, so drawing more from one never shifts another,
and a trial resumed alone draws what it would have drawn among its siblings.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**32) for the stream called ``names`` of a study seed."""
    text = "\x1f".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def generator(seed: int, *names: str | int) -> "np.random.Generator":
    """A NumPy generator for the stream called ``names`` of a study seed."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive(seed, *names)))
