"""The checks of checkpoints: training goes on from them as if never interrupted."""

import numpy as np

from fesearch.arrays import Arrays
from fesearch.contract.asking import learner_of, refusal, require, require_equal, small
from fesearch.contract.data import data_for
from fesearch.family import Family, Pausing
from fesearch.split import Development


def a_checkpoint_goes_on_as_if_never_interrupted(family: Family) -> None:
    """What is taken up from a checkpoint gives the numbers of what was never stopped."""
    data = data_for(family)
    straight = learner_of(family, small(family), data)
    straight.advance()
    taken_up = learner_of(family, small(family), data)
    taken_up.restore(_copied(straight.checkpoint()))
    for _ in range(2):
        one, other = straight.advance(), taken_up.advance()
        require_equal(one, other, "From a checkpoint training goes on to other numbers.")
    require(straight.parameters == taken_up.parameters, "From a checkpoint parameters differ.")


def a_checkpoint_before_training_goes_on(family: Family) -> None:
    """A trial that was interrupted before its first step starts again as it would have."""
    data = data_for(family)
    fresh, taken_up = (learner_of(family, small(family), data) for _ in range(2))
    taken_up.restore(fresh.checkpoint())
    one, other = fresh.advance(), taken_up.advance()
    require_equal(one, other, "From a checkpoint before training the first step differs.")


def a_checkpoint_within_a_step_goes_on(family: Family) -> str | None:
    """What is taken up within a step, where a learner pauses there, gives the same numbers too."""
    data = data_for(family)
    straight = learner_of(family, small(family), data)
    if not isinstance(straight, Pausing):
        return "it does not pause within a step"
    pauses: list[dict[str, np.ndarray]] = []
    straight.on_pause(lambda: pauses.append(_copied(straight.checkpoint())))
    first, begun = straight.advance(), len(pauses)
    expected = [first, straight.advance(), straight.advance()]
    if not 0 < begun < len(pauses):
        return "its steps have no pause on so few rows"
    for place in {0, begun - 1, begun}:  # in the first step and in the second
        taken_up = learner_of(family, small(family), data)
        taken_up.restore(pauses[place])
        for wanted in expected[int(place >= begun) :]:
            sentence = "From a checkpoint within a step training goes on to other numbers."
            require_equal(wanted, taken_up.advance(), sentence)
    return None


def a_checkpoint_of_another_width_is_refused(family: Family) -> None:
    """A checkpoint of other features is not taken up."""
    data = data_for(family)
    learner = learner_of(family, small(family), data)
    learner.advance()
    pad = ((0, 0), (0, 2))
    train_x, val_x = np.pad(data.train_x, pad), np.pad(data.val_x, pad)
    wider = Development(train_x, data.train_y, val_x, data.val_y)
    refusal(
        lambda: learner_of(family, small(family), wider).restore(learner.checkpoint()),
        "A checkpoint of another width",
    )


def _copied(checkpoint: Arrays) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in checkpoint.items()}
