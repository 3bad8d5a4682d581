"""Where torch's generators stand, and what is no such thing."""

import numpy as np
import pytest
import torch

from fesearch.errors import InputError
from fesearch.nets import generators

CPU = torch.device("cpu")


def forged(left: int, following: int) -> dict[str, np.ndarray]:
    """A state of the CPU's generator that has so many words left, from a place on."""
    state = generators.states(CPU)["cpu"].copy()
    state[8:12] = np.array([left], np.int32).view(np.uint8)
    state[16:24] = np.array([following], np.int64).view(np.uint8)
    return {"cpu": state}


def test_a_generator_goes_on_where_it_stood() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        generators.check_states(generators.states(CPU), within=True)  # nothing was drawn yet
        for count in (1, 3, 623, 1000):
            torch.rand(count)
            torch.randn(3)
            states = generators.states(CPU)
            generators.check_states(states, within=True)
            expected = torch.rand(700)
            generators.go_on(states, CPU)
            assert torch.equal(torch.rand(700), expected)
            generators.go_on({}, CPU)
            assert not torch.equal(torch.rand(700), expected)


@pytest.mark.parametrize(
    ("left", "following"), [(624, 600), (624, 0), (1, 1), (625, 0), (0, 625), (-3, 628), (300, 624)]
)
def test_words_beyond_the_state_are_refused(left: int, following: int) -> None:
    with pytest.raises(InputError) as caught:
        generators.check_states(forged(left, following), within=True)
    said = "The array 'cpu' of the checkpoint is no state of a generator."
    assert caught.value.message == said


def test_an_offset_that_cuda_refuses_is_refused() -> None:
    states = generators.states(CPU)
    for offset in (0, 4, 3):
        states["cuda"] = np.array([5, offset], np.int64).view(np.uint8)
        if offset % 4 == 0:
            generators.check_states(states, within=True)
            continue
        with pytest.raises(InputError, match="'cuda' of the checkpoint is no state"):
            generators.check_states(states, within=True)


def test_a_checkpoint_between_epochs_has_none() -> None:
    generators.check_states({}, within=False)
    with pytest.raises(InputError, match="has an array 'cpu' that does not belong"):
        generators.check_states(generators.states(CPU), within=False)
