"""Looks at test parts with the trials they were at: what the lines of a ranking are made of."""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

from fesearch.store.how import Trained
from fesearch.store.results import Store
from fesearch.store.types import Look, RankedTrial

ENSEMBLE = "ensemble"
"""What stands for the family of a mean of several models."""


@dataclass(frozen=True)
class Piece:
    """A look at one division, and the trial that was looked at.

    Attributes:
        behind: the trials whose models it is of, as far as they are still there.
    """

    look: Look
    trial: RankedTrial
    behind: tuple[RankedTrial, ...]

    @property
    def of_each(self) -> bool:
        """Whether it came of a search on its own member alone."""
        return self.look.how.trained in (Trained.SEARCHED, Trained.ENSEMBLE)

    @property
    def joint(self) -> bool:
        """Whether it is a mean of several models."""
        return bool(self.look.how.picks)

    @property
    def whole(self) -> bool:
        """Whether all trials behind it are still there."""
        return len(self.behind) >= len(self.look.how.trials)

    @property
    def family(self) -> str:
        return ENSEMBLE if self.joint else self.trial.family

    @property
    def model(self) -> Hashable:
        """What it has in common with the same model on another division, or of another seed."""
        how = self.look.how
        if self.joint:
            return (how.trained, frozenset(how.picks.items()))
        return (how.trained, self.look.study, self.look.trial)

    @property
    def validation(self) -> float:
        """What it is chosen by on its member."""
        said = self.look.how.validation.get(self.look.metric) if self.joint else None
        return self.trial.value if said is None else said


def latest(looks: Iterable[Look]) -> list[Look]:
    """The last look of each training at each division, the whole of its test part."""
    last: dict[Hashable, Look] = {}
    for one in looks:
        how = one.how
        what = frozenset(how.picks.items()) or (one.study, one.trial)
        if how.trained not in (Trained.FILE, Trained.PREDICTED):
            last[what, one.split, how.trained, how.seed] = one
    return list(last.values())


def pieces_of(store: Store, looks: Sequence[Look], studies: Collection[str]) -> list[Piece]:
    """Looks with the trials they were at, those whose trial is still ranked.

    Nothing else is read: a study may have a million trials.

    Args:
        studies: whose trials count.
    """
    numbers: dict[str, set[int]] = {}
    for look in looks:
        for study, number in ((look.study, look.trial), *look.how.trials):
            if study in studies:
                numbers.setdefault(study, set()).add(number)
    ranked = {
        (trial.study, trial.number): trial
        for study, asked in sorted(numbers.items())
        for trial in store.ranked(study, asked)
    }
    found = []
    for look in looks:
        trial = ranked.get((look.study, look.trial))
        if trial is not None:
            behind = tuple(ranked[key] for key in look.how.trials if key in ranked)
            found.append(Piece(look, trial, behind or (trial,)))
    return found


def grouped(pieces: Iterable[Piece], by: Callable[[Piece], Hashable]) -> list[list[Piece]]:
    """The pieces of each contender."""
    groups: dict[Hashable, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(by(piece), []).append(piece)
    return list(groups.values())
