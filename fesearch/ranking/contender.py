"""Contenders of rankings: what looks at test parts have in common, as one line.

That is a config trained again, with several seeds or on several divisions, or an ensemble; over a
repeated division also the best of a search on each member.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from fesearch.errors import InputError
from fesearch.metrics import MAE_INTERVAL, Direction
from fesearch.ranking.pieces import Piece
from fesearch.space import Value
from fesearch.store.how import How, Searched, Trained
from fesearch.store.types import Effort, Look, StudyRow

if TYPE_CHECKING:
    from fesearch.predictions import Predictions
    from fesearch.ranking.compare import Standing

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of scores.

    Attributes:
        sd: None of fewer than two.
        count: of the scores.
    """

    mean: float
    sd: float | None
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + ("" if self.sd is None else f" ± {self.sd:.2g}")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """That of some scores; None where there are none."""
        if not values:
            return None
        return cls(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Contender:
    """A line of a ranking that is no model a trial left; over a repeated division, any line.

    Its members are the divisions that it was scored on: one, or those of a repeated division.

    Attributes:
        family: of the model, or "ensemble"; ``trials`` are (study, number), one where a config was
            trained on every member, one a member where the search was run on each, and all that
            ensembles picked. ``configs`` are theirs.
        looks: at it, the last of each training on each member.
        searched, trained: how the models came about.
        searched_on: divisions that its studies were searched on, as typed ("column:fold0"); over
            a repeated division alone.
        flattered: members some of whose test rows the search had trained or validated on.
        validation: metric -> scores over members, mean over seeds first; none where validation rows
            were learned.
        test: metric -> the same of the test parts.
        coverage: level of prediction intervals -> share of test rows that were within theirs, and
            their mean width, means over all looks; none where one did not measure it.
        by_seed: standard deviation over the seeds of one member, of the test score in the key's
            metric, pooled over the members; None of a single seed.
        seeds: trainings on each member.
        scores: member -> that test score.
        after_look: one of its trials began after a look at the test part of its division.
        efforts: of the searches behind it.
        picks: of an ensemble that is the same on every member; see ``How.picks``.
        test_to_train: rows to test over rows that were trained on, the mean over members; None
            where no look says how many that were.
        interval: of the mean test MAE over members, 95 %; None where not all predictions of their
            test rows are kept here.
        val_interval: that of the mean validation MAE.
        standing: by the corrected resampled t test; on one division among all that were scored.
    """

    family: str
    trials: tuple[tuple[str, int], ...]
    configs: tuple[Mapping[str, Value], ...]
    looks: tuple[Look, ...]
    searched: Searched
    trained: Trained
    flattered: int
    validation: Mapping[str, Spread]
    test: Mapping[str, Spread]
    coverage: Mapping[str, tuple[float, float]]
    by_seed: float | None
    seeds: int
    scores: Mapping[str, float]
    after_look: bool
    efforts: tuple[Effort, ...]
    picks: Mapping[str, int]
    parameters: int | None
    latency: float | None
    test_to_train: float | None = None
    searched_on: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None
    val_interval: tuple[float, float] | None = None
    standing: "Standing | None" = None

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies of its trials."""
        return tuple(dict.fromkeys(study for study, _ in self.trials))


def contender(
    pieces: Sequence[Piece], metric: str, efforts: Mapping[tuple[str, str], Effort]
) -> Contender:
    """What one group of pieces says together, but for its interval and standing.

    Args:
        metric: of the key.
        efforts: (study, family) -> what was spent on it.
    """
    looks = [piece.look for piece in pieces]
    tests = _by_member(looks, lambda look: look.scores)
    own = tests.get(metric, {})
    validation = _by_member(looks, lambda look: look.how.validation)
    first = pieces[0]
    trials = {(one.study, one.number): one for piece in pieces for one in piece.behind}
    searches = dict.fromkeys((trial.study, trial.family) for trial in trials.values())
    sizes = [trial.parameters for trial in first.behind]
    ratios = [look.rows / look.how.n_train for look in looks if look.how.n_train]
    known = {look.split for look in looks if look.how.searched is Searched.ELSEWHERE}
    hows = {look.how.searched for look in looks}
    latencies = [look.how.latency for look in looks if look.how.latency is not None]
    picks = first.look.how.picks
    return Contender(
        family=first.family,
        trials=tuple(trials),
        configs=tuple(trial.config for trial in trials.values()),
        looks=tuple(looks),
        searched=next(one for one in reversed(Searched) if one in hows),
        trained=first.look.how.trained,
        flattered=len(known),
        validation={
            name: _over_members(members)
            for name, members in validation.items()
            if name not in MAE_INTERVAL
        },
        test={name: _over_members(members) for name, members in tests.items()},
        coverage=_coverage(looks),
        by_seed=_pooled(list(own.values())),
        seeds=max(map(len, own.values()), default=1),
        scores={member: fmean(values) for member, values in own.items()},
        after_look=any(trial.after_look for trial in trials.values()),
        efforts=tuple(efforts[search] for search in searches if search in efforts),
        picks=picks if all(look.how.picks == picks for look in looks) else {},
        parameters=None if None in sizes or not first.whole else sum(filter(None, sizes)),
        latency=fmean(latencies) if latencies else None,
        test_to_train=fmean(ratios) if ratios else None,
    )


def ordered(found: Iterable[Contender], metric: str, direction: Direction) -> list[Contender]:
    """The best by validation first; those without a validation score last, by their test score."""
    sign = 1.0 if direction == "minimize" else -1.0

    def place(one: Contender) -> tuple[bool, float, str]:
        held, test = one.validation.get(metric), one.test.get(metric)
        score = held or test
        return (held is None, sign * score.mean if score else math.inf, one.family)

    return sorted(found, key=place)


def predicted(
    looks: Sequence[Look],
    rows: Mapping[str, StudyRow],
    file: Callable[[How], str | None] = lambda how: how.predictions,
) -> "list[Predictions]":
    """What looks have said of their test rows, in their order.

    Args:
        rows: name -> study.
        file: its name; of validation rows the looks have another one.

    Returns:
        nothing at all where that of one of them is not kept here.
    """
    if any(file(look.how) is None for look in looks):
        return []
    # What has been looked at alone needs NumPy.
    from fesearch import predictions

    found = []
    for look in looks:
        folder = str(rows[look.study].definition.get("folder", ""))
        try:
            kept = predictions.kept(folder, file(look.how))
        except InputError as error:
            _log.warning("No interval, and not compared: %s", error.message)
            return []
        if kept is None:
            return []
        found.append(kept)
    return found


def interval(looks: Sequence[Look], said: "Sequence[Predictions]") -> tuple[float, float] | None:
    """The 95 % interval of the mean test MAE over members.

    Args:
        said: what the looks have predicted, or nothing; of a single look its record says enough.
    """
    return looks[0].how.interval if len(looks) == 1 else _pooled_interval(looks, said)


def validation_interval(
    looks: Sequence[Look], rows: Mapping[str, StudyRow]
) -> tuple[float, float] | None:
    """The 95 % interval of the mean validation MAE over members; see ``predicted``.

    None where what is kept is no more than a part of what scored, as with inner folds.
    """
    if len(looks) == 1:
        return of_validation(looks[0].how.validation)
    held = predicted(looks, rows, lambda how: how.held)
    scores = [look.how.validation.get("mae") for look in looks]
    for one, score in zip(held, scores, strict=False):
        if score is None or not math.isclose(float(one.errors.mean()), score):
            return None
    return _pooled_interval(looks, held)


def of_validation(scores: Mapping[str, float | None]) -> tuple[float, float] | None:
    """That on record of one model; an older fesearch wrote none down."""
    low, high = map(scores.get, MAE_INTERVAL)
    return None if low is None or high is None else (low, high)


def _pooled_interval(
    looks: Sequence[Look], said: "Sequence[Predictions]"
) -> tuple[float, float] | None:
    """That of a mean over members, from what each look has predicted; None without."""
    if not said:
        return None
    from fesearch.ranking import pooled

    members: dict[str, list[Predictions]] = {}
    for look, one in zip(looks, said, strict=True):
        members.setdefault(look.split, []).append(one)
    return pooled.interval(list(members.values()))


def _by_member(
    looks: Sequence[Look], scores: Callable[[Look], Mapping[str, float | None]]
) -> dict[str, dict[str, list[float]]]:
    """Metric -> member -> its finite scores, one a seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for look in looks:
        for name, score in scores(look).items():
            if score is not None:
                found.setdefault(name, {}).setdefault(look.split, []).append(score)
    return found


def _over_members(scores: Mapping[str, Sequence[float]]) -> Spread:
    means = [fmean(values) for values in scores.values()]
    return Spread(fmean(means), stdev(means) if len(means) > 1 else None, len(means))


def _coverage(looks: Sequence[Look]) -> dict[str, tuple[float, float]]:
    """Mean share and width of the levels that all looks have."""
    every = [look.how.coverage for look in looks]
    return {
        level: (fmean(one[level][0] for one in every), fmean(one[level][1] for one in every))
        for level in every[0]
        if all(level in one for one in every)
    }


def _pooled(scores: Sequence[Sequence[float]]) -> float | None:
    """The standard deviation within members, pooled by degrees of freedom."""
    freedom = sum(len(values) - 1 for values in scores)
    if freedom == 0:
        return None
    squares = [(value - fmean(values)) ** 2 for values in scores for value in values]
    return math.sqrt(math.fsum(squares) / freedom)
