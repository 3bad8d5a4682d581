"""Which differences of a ranking are real: on the same rows, or on the same divisions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fesearch.predictions import Predictions
from fesearch.statistics import (
    ALPHA,
    Paired,
    corrected_resampled_test,
    holm,
    paired_tests,
    tie_letters,
)


@dataclass(frozen=True)
class Standing:
    """Where a contender stands among the others of a table.

    Attributes:
        ties: letters; two contenders that share one are not told apart by these rows.
        p_next: of the difference from the next contender below that could be compared, corrected
            for all pairs of the table; None for the last.
    """

    ties: str
    p_next: float | None


Pair = tuple[int, int]


def on_rows(found: Sequence[Sequence[Predictions]]) -> list[Standing | None]:
    """Contenders by their absolute errors: a paired test of each two, over groups of one formula.

    Args:
        found: predictions, one a seed, in the order of the table; the errors of a row are their
            mean over seeds. Those of other rows than the first, or of none, are not compared.
    """
    first = next((seeds[0] for seeds in found if seeds), None)
    if first is None:
        return [None] * len(found)
    places = [
        at for at, seeds in enumerate(found) if seeds and all(one.same_rows(first) for one in seeds)
    ]
    if len(places) < 2:
        return [None] * len(found)
    errors = np.stack([np.mean([one.errors for one in found[at]], axis=0) for at in places])
    return _placed(len(found), places, paired_tests(errors, first.groups))


def on_divisions(
    scores: Sequence[Mapping[str, float]], test_to_train: Sequence[float]
) -> list[Standing | None]:
    """Contenders by their scores over the members of a repeated division.

    The training parts of members overlap, so the test of each two is the corrected one.

    Args:
        scores: fingerprint of a member -> score, in the order of the table. Those that lack a
            member that others have are not compared.
        test_to_train: rows to test over rows to train on, of a member, for each; of two the larger
            counts, which says less.
    """
    most = max((len(one) for one in scores), default=0)
    places = [at for at, one in enumerate(scores) if len(one) == most]
    same = [at for at in places if scores[at].keys() == scores[places[0]].keys()]
    if most < 2 or len(same) < 2:
        return [None] * len(scores)
    tests = {
        (i, j): corrected_resampled_test(
            [scores[one][member] - scores[other][member] for member in scores[one]],
            max(test_to_train[one], test_to_train[other]),
        )
        for i, one in enumerate(same)
        for j, other in enumerate(same)
        if i < j
    }
    return _placed(len(scores), same, tests)


def _placed(
    count: int, places: Sequence[int], tests: Mapping[Pair, Paired]
) -> list[Standing | None]:
    """The standings of those at ``places``, from the tests between them."""
    corrected = dict(zip(tests, holm([one.p for one in tests.values()]), strict=True))
    letters = tie_letters(len(places), {pair: p < ALPHA for pair, p in corrected.items()})
    standings: list[Standing | None] = [None] * count
    for at, place in enumerate(places):
        p = corrected.get((at, at + 1), math.nan)
        standings[place] = Standing(letters[at], None if math.isnan(p) else p)
    return standings
