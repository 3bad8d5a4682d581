"""Rankings over repeated divisions: a table for each parent, with what scores scatter by."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TypeAlias

from fesearch.errors import InputError
from fesearch.metrics import Direction
from fesearch.record import ResultKey
from fesearch.store.how import Searched, Trained
from fesearch.store.results import Store
from fesearch.store.types import Division, Effort, Look, RankedTrial, StudyRow

_log = logging.getLogger(__name__)
ENSEMBLE = "ensemble"
"""What stands for the family of a mean of several models."""
_Ranked: TypeAlias = Mapping[tuple[str, int], RankedTrial]


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
    """A line of a ranking over a repeated division.

    Attributes:
        family: of the model, or "ensemble"; ``trials`` are (study, number), one where a config was
            trained on every member, one a member where the search was run on each, and all that
            ensembles picked.
        searched, trained: how the models came about.
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
        efforts: of the searches behind it.
        test_to_train: rows to test over rows that were trained on, the mean over members; None
            where no look says how many that were.
        interval: of the mean test MAE over members, 95 %; None where not all predictions of their
            test rows are kept here.
        ties, p_next: see ``compare.Standing``; by the corrected resampled t test.
    """

    family: str
    trials: tuple[tuple[str, int], ...]
    searched: Searched
    trained: Trained
    flattered: int
    validation: Mapping[str, Spread]
    test: Mapping[str, Spread]
    coverage: Mapping[str, tuple[float, float]]
    by_seed: float | None
    seeds: int
    scores: Mapping[str, float]
    efforts: tuple[Effort, ...]
    parameters: int | None
    latency: float | None
    test_to_train: float | None = None
    interval: tuple[float, float] | None = None
    ties: str = ""
    p_next: float | None = None


@dataclass(frozen=True)
class RepeatedTable:
    """All that is ranked over one repeated division, the best first.

    Attributes:
        key: ``split`` is the fingerprint of the parent.
        members: fingerprints, in order.
        data: name of the data set, as the studies called it.
        looks: at the test parts of the members, so far.
    """

    key: ResultKey
    unit: str
    direction: Direction
    data: str
    division: Division
    members: tuple[str, ...]
    looks: int
    contenders: tuple[Contender, ...]


def repeated_table(
    store: Store,
    key: ResultKey,
    division: Division,
    members: Sequence[str],
    rows: Mapping[str, StudyRow],
    data: str,
) -> RepeatedTable | None:
    """What was scored on two members or more of a repeated division; None where nothing was.

    Args:
        key: with the parent's fingerprint.
        rows: name -> study, all that may be shown.
    """
    own = [
        row
        for row in rows.values()
        if (row.key.data, row.key.target, row.key.metric) == (key.data, key.target, key.metric)
    ]
    scored = [
        (row.name, look)
        for row in own
        for look in _latest(store.looks_of(row))
        if look.split in members and look.value is not None
    ]
    if len({look.split for _, look in scored}) < 2:
        return None
    ranked = _ranked(store, scored, {row.name for row in own})
    efforts = {(e.study, e.family): e for e in store.efforts()}
    pieces: dict[tuple[object, ...], list[_Piece]] = {}
    for study, look in scored:
        trial = ranked.get((study, look.trial))
        if trial is not None:
            piece = _Piece(look, trial)
            pieces.setdefault(piece.contender, []).append(piece)
    groups = [
        _one_a_member(group, own[0].direction)
        for group in pieces.values()
        if len({piece.look.split for piece in group}) > 1
    ]
    found = [
        replace(
            _contender(group, key.metric, efforts, ranked),
            interval=_interval([piece.look for piece in group], rows),
        )
        for group in groups
    ]
    if not found:
        return None
    ordered = _ordered(found, key.metric, own[0].direction)
    looks = {
        (look.split, look.sequence)
        for member in members
        for look in store.looks(replace(key, split=member))
    }
    return RepeatedTable(
        key,
        own[0].unit,
        own[0].direction,
        data,
        division,
        tuple(members),
        len(looks),
        tuple(_compared(ordered, division)),
    )


@dataclass(frozen=True)
class _Piece:
    """A look at one member, and the trial that was looked at."""

    look: Look
    trial: RankedTrial

    @property
    def contender(self) -> tuple[object, ...]:
        """What pieces of one contender have in common.

        The search was run on each member: the best of a family of each, or the best ensemble; how
        many picks that has is found on each. Else the same trial, or the same picks.
        """
        how = self.look.how
        if self.of_each:
            return (how.trained, self.family)
        if self.joint:
            return (how.trained, frozenset(how.picks.items()))
        return (how.trained, self.trial.study, self.trial.number)

    @property
    def of_each(self) -> bool:
        """Whether it came of a search on its own member alone."""
        return self.look.how.trained in (Trained.SEARCHED, Trained.ENSEMBLE)

    @property
    def joint(self) -> bool:
        """Whether it is a mean of several models."""
        return bool(self.look.how.picks)

    @property
    def family(self) -> str:
        return ENSEMBLE if self.joint else self.trial.family

    @property
    def validation(self) -> float:
        """What it is chosen by on its member."""
        said = self.look.how.validation.get(self.look.metric) if self.joint else None
        return self.trial.value if said is None else said

    def behind(self, ranked: "_Ranked") -> list[RankedTrial]:
        """The trials whose models it is of, as far as they are still there."""
        if not self.joint:
            return [self.trial]
        return [ranked[key] for key in self.look.how.trials if key in ranked] or [self.trial]


def _ranked(
    store: Store, scored: Iterable[tuple[str, Look]], studies: Collection[str]
) -> dict[tuple[str, int], RankedTrial]:
    """(study, number) -> trial, of all that was looked at or picked for it in those studies.

    Nothing else is read: a study may have a million trials.
    """
    numbers: dict[str, set[int]] = {}
    for name, look in scored:
        for study, number in ((name, look.trial), *look.how.trials):
            if study in studies:
                numbers.setdefault(study, set()).add(number)
    return {
        (trial.study, trial.number): trial
        for study, asked in sorted(numbers.items())
        for trial in store.ranked(study, asked)
    }


def _latest(looks: Iterable[Look]) -> list[Look]:
    """The last look of each training at each division, the whole of its test part."""
    last = {
        (one.trial, one.split, one.how.trained, one.how.seed, frozenset(one.how.picks.items())): one
        for one in looks
        if one.how.trained is not Trained.FILE
    }
    return list(last.values())


def _one_a_member(pieces: Sequence[_Piece], direction: Direction) -> list[_Piece]:
    """Of a search on each member, what validation chose there; else all pieces."""
    if not pieces[0].of_each:
        return list(pieces)
    best: dict[str, _Piece] = {}
    for piece in pieces:
        there = best.setdefault(piece.look.split, piece)
        worse, better = sorted((there.validation, piece.validation), reverse=True)
        if piece.validation == (better if direction == "minimize" else worse):
            best[piece.look.split] = piece
    return list(best.values())


def _contender(
    pieces: Sequence[_Piece],
    metric: str,
    efforts: Mapping[tuple[str, str], Effort],
    ranked: _Ranked,
) -> Contender:
    looks = [piece.look for piece in pieces]
    tests = _by_member(looks, lambda look: look.scores)
    validation = _by_member(looks, lambda look: look.how.validation)
    scores = {member: fmean(values) for member, values in tests[metric].items()}
    first, parts = pieces[0], [piece.behind(ranked) for piece in pieces]
    trials = [trial for part in parts for trial in part]
    searches = dict.fromkeys((trial.study, trial.family) for trial in trials)
    sizes = [trial.parameters for trial in parts[0] if trial.parameters is not None]
    ratios = [look.rows / look.how.n_train for look in looks if look.how.n_train]
    known = {look.split for look in looks if look.how.searched is Searched.ELSEWHERE}
    hows = [look.how.searched for look in looks]
    latencies = [look.how.latency for look in looks if look.how.latency is not None]
    searched = Searched.EACH
    if not first.of_each:
        searched = Searched.ELSEWHERE if Searched.ELSEWHERE in hows else Searched.ONCE
    return Contender(
        family=first.family,
        trials=tuple(dict.fromkeys((trial.study, trial.number) for trial in trials)),
        searched=searched,
        trained=first.look.how.trained,
        flattered=len(known),
        validation={name: _over_members(members) for name, members in validation.items()},
        test={name: _over_members(members) for name, members in tests.items()},
        coverage=_coverage(looks),
        by_seed=_pooled(list(tests[metric].values())),
        seeds=max(map(len, tests[metric].values())),
        scores=scores,
        efforts=tuple(efforts[search] for search in searches if search in efforts),
        parameters=sum(sizes) if len(sizes) == len(parts[0]) else None,
        latency=fmean(latencies) if latencies else None,
        test_to_train=fmean(ratios) if ratios else None,
    )


def _interval(looks: Sequence[Look], rows: Mapping[str, StudyRow]) -> tuple[float, float] | None:
    """Of the mean test MAE over members, where all that these looks predicted is kept here."""
    if any(look.how.predictions is None for look in looks):
        return None
    # What has been looked at alone needs NumPy.
    from fesearch import predictions
    from fesearch.ranking import pooled

    members: dict[str, list[predictions.Predictions]] = {}
    for look in looks:
        folder = str(rows[look.study].definition.get("folder", ""))
        try:
            kept = predictions.kept(folder, look.how.predictions)
        except InputError as error:
            _log.warning("No interval: %s", error.message)
            return None
        if kept is None:
            return None
        members.setdefault(look.split, []).append(kept)
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


def _ordered(found: Iterable[Contender], metric: str, direction: Direction) -> list[Contender]:
    """The best by validation first; those without a validation score last, by their family."""
    sign = 1.0 if direction == "minimize" else -1.0

    def place(one: Contender) -> tuple[float, str]:
        held = one.validation.get(metric)
        return (sign * held.mean if held else math.inf, one.family)

    return sorted(found, key=place)


def _compared(ordered: Sequence[Contender], division: Division) -> list[Contender]:
    """Contenders with their ties."""
    if len(ordered) < 2:
        return list(ordered)
    from fesearch.ranking.compare import on_divisions

    usual = division.n_test / division.n_train
    ratios = [one.test_to_train or usual for one in ordered]
    standings = on_divisions([one.scores for one in ordered], ratios)
    return [
        replace(one, ties=standing.ties, p_next=standing.p_next) if standing else one
        for one, standing in zip(ordered, standings, strict=True)
    ]
