"""Where torch's generators of random numbers stand, as arrays that may come from anywhere."""

import numpy as np
import torch

from fesearch.arrays import Arrays, Layout, broken, check

_CPU = Layout((5056,), np.dtype(np.uint8))
_CUDA = Layout((16,), np.dtype(np.uint8))
"""Of a seed and an offset, 8 bytes each."""
_WORDS = 624
"""Of the state of torch's generator on a CPU, a Mersenne Twister."""


def states(device: torch.device) -> dict[str, np.ndarray]:
    """That of the CPU, and of the device where it is another."""
    found = {"cpu": torch.get_rng_state().numpy()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device).numpy()
    return found


def go_on(states: Arrays, device: torch.device) -> None:
    """Set the generators to where they stood; one that is not among ``states`` stays as it is.

    So dropout that began on a CPU goes on with other numbers on a GPU, and with as good ones.
    """
    if "cpu" in states:
        torch.set_rng_state(torch.tensor(states["cpu"]))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(torch.tensor(states["cuda"]), device)


def check_states(states: Arrays, *, within: bool) -> None:
    """Refuse what torch's generators cannot go on from.

    Args:
        within: the checkpoint is of the middle of an epoch; any other has no states.

    Raises:
        InputError: says which is not one.
    """
    expected = {"cpu": _CPU, **({"cuda": _CUDA} if "cuda" in states else {})}
    check(states, expected if within else {}, "checkpoint")
    if not within:
        return
    try:
        torch.Generator().set_state(torch.tensor(states["cpu"]))
    except RuntimeError as error:
        raise _no_state("cpu") from error
    # torch does not ask whether the words that are left lie within its state, and reads beyond it
    left = int(states["cpu"][8:12].view(np.int32)[0])
    following = int(states["cpu"][16:24].view(np.int64)[0])
    if (left, following) != (1, 0) and left + following != _WORDS + 1:
        raise _no_state("cpu")
    if "cuda" in states and states["cuda"].view(np.int64)[1] % 4:  # it counts by four numbers
        raise _no_state("cuda")


def _no_state(name: str) -> Exception:
    return broken(f"The array '{name}' of the checkpoint is no state of a generator.")
