"""Rankings on one division: trials, what became of their configs trained again, and ensembles."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fesearch.metrics import Direction
from fesearch.ranking.contender import (
    Contender,
    Spread,
    contender,
    interval,
    ordered,
    predicted,
    validation_interval,
)
from fesearch.ranking.pieces import grouped, latest, pieces_of
from fesearch.record import ResultKey
from fesearch.store.how import Trained
from fesearch.store.results import Store
from fesearch.store.types import Division, Effort, KeySummary, Look, RankedTrial, StudyRow

if TYPE_CHECKING:
    from fesearch.predictions import Predictions
    from fesearch.ranking.compare import Standing


@dataclass(frozen=True)
class Entry:
    """A trial in a ranking, and what its config, trained again, has on the test part.

    Attributes:
        position: from 1, by validation.
        effort: all trials of its family in its study: what it took to find this one.
        look: the last one at the test part with the model that the trial left; None while that is
            sealed.
        anew: its config trained again on the training part, and on training and validation part,
            each the mean over seeds: lines of their own below it.
        standing: among all lines whose predictions of the same test rows are kept here.
    """

    position: int
    trial: RankedTrial
    effort: Effort
    look: Look | None = None
    anew: tuple[Contender, ...] = ()
    standing: "Standing | None" = None

    @property
    def test(self) -> float | None:
        """The score in the key's metric on the test part; None while it is sealed."""
        return None if self.look is None else self.look.scores.get(self.trial.key.metric)

    @property
    def looks(self) -> tuple[Look, ...]:
        """At the model that the trial left."""
        return () if self.look is None else (self.look,)

    @property
    def sealed(self) -> bool:
        """Nobody has looked at the test part with its model or its config."""
        return self.look is None and not self.anew

    @property
    def by_seed(self) -> Spread | None:
        """Test scores in the key's metric of its config trained again, over seeds."""
        return self._anew(Trained.AGAIN)

    @property
    def joined(self) -> Spread | None:
        """Those of its config trained on training and validation part."""
        return self._anew(Trained.JOINED)

    def _anew(self, trained: Trained) -> Spread | None:
        found = [look for one in self.anew if one.trained is trained for look in one.looks]
        scores = [look.scores.get(self.trial.key.metric) for look in found]
        return Spread.of([score for score in scores if score is not None])


@dataclass(frozen=True)
class Table:
    """All that is ranked under one key, the best first.

    Attributes:
        data: name of the data set, as the studies called it.
        looks: at the test part, so far.
        predicted: those of them that are predictions without a score.
        ensembles: those that were looked at, see ``contender.ordered``. They stand below, without a
            position: picks are chosen on the rows that validate, so their validation flatters.
    """

    summary: KeySummary
    data: str
    division: Division
    looks: int
    entries: tuple[Entry, ...]
    ensembles: tuple[Contender, ...] = ()
    predicted: tuple[Look, ...] = ()

    @property
    def key(self) -> ResultKey:
        """What all of it belongs to."""
        return self.summary.key

    @property
    def unit(self) -> str:
        """Of the metric."""
        return self.summary.unit

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return self.summary.direction

    def lines(self, most: int | None = None) -> "list[Line]":
        """Everything from top to bottom.

        Args:
            most: entries; None has all.
        """
        found: list[Line] = []
        for entry in self.entries[:most]:
            found += [entry, *entry.anew]
        return [*found, *self.ensembles]


Line = Entry | Contender


def single_table(
    store: Store,
    summary: KeySummary,
    rows: Mapping[str, StudyRow],
    data: str,
    efforts: Iterable[Effort],
    *,
    wanted: Collection[str],
    every: bool,
) -> Table:
    """What is ranked under one key; there may be no entry of those that are wanted.

    Args:
        rows: name -> study, all there are.
        data: name of the data set.
        efforts: of any key.
        wanted: names of studies; none wants all.
        every: all trials; else the best of each family of each study.
    """
    key = summary.key
    shown = [
        trial
        for trial in store.ranking(
            data=key.data,
            target=key.target,
            metric=key.metric,
            split=key.split,
            leaders=not every,
        )
        if not wanted or trial.study in wanted
    ]
    looks = store.looks(key)
    own = [
        look
        for name in (dict.fromkeys(trial.study for trial in shown) if looks else ())
        for look in store.looks_of(rows[name])
        if look.split == key.split
    ]
    as_searched = {(look.study, look.trial): look for look in own if look.as_searched}
    spent = {(one.study, one.family): one for one in efforts if one.key == key}
    alike = {name for name, row in rows.items() if row.key == key}
    anew: dict[tuple[str, int], list[Contender]] = {}
    ensembles = []
    for one in _others(store, own, summary, spent, alike):
        if not one.picks:
            anew.setdefault(one.trials[0], []).append(one)
        elif not wanted or set(wanted).issuperset(one.looks[0].how.studies):
            ensembles.append(one)
    entries = [
        Entry(
            position,
            trial,
            spent[trial.study, trial.family],
            look=as_searched.get((trial.study, trial.number)),
            anew=tuple(anew.get((trial.study, trial.number), ())),
        )
        for position, trial in enumerate(shown, start=1)
    ]
    table = Table(
        summary,
        data,
        store.division(key.data, key.split),
        len(looks),
        tuple(entries),
        tuple(ensembles),
        tuple(look for look in looks if look.how.trained is Trained.PREDICTED),
    )
    return _judged(table, rows)


def _others(
    store: Store,
    looks: Iterable[Look],
    summary: KeySummary,
    efforts: Mapping[tuple[str, str], Effort],
    studies: Collection[str],
) -> list[Contender]:
    """What looks were at that is no model of a trial: configs trained again, and ensembles."""
    others = latest(look for look in looks if look.how.trained.anew or look.how.picks)
    groups = grouped(pieces_of(store, others, studies), by=lambda piece: piece.model)
    metric = summary.key.metric
    return ordered(
        [contender(group, metric, efforts) for group in groups], metric, summary.direction
    )


def _judged(table: Table, rows: Mapping[str, StudyRow]) -> Table:
    """A ranking with its intervals and standings, as far as predictions are kept here."""
    lines = table.lines()
    said: Sequence[Sequence[Predictions]] = [()] * len(lines)
    standings: Sequence[Standing | None] = [None] * len(lines)
    if sum(look.how.predictions is not None for line in lines for look in line.looks) > 1:
        # What has been looked at alone needs NumPy.
        from fesearch.ranking.compare import on_rows

        said = [predicted(line.looks, rows) for line in lines]
        standings = on_rows(said)
    found = {
        id(line): (theirs, standing)
        for line, theirs, standing in zip(lines, said, standings, strict=True)
    }

    def judged(one: Contender) -> Contender:
        theirs, standing = found[id(one)]
        return replace(
            one,
            interval=interval(one.looks, theirs),
            val_interval=validation_interval(one.looks, rows),
            standing=standing,
        )

    entries = [
        replace(one, standing=found[id(one)][1], anew=tuple(map(judged, one.anew)))
        for one in table.entries
    ]
    return replace(table, entries=tuple(entries), ensembles=tuple(map(judged, table.ensembles)))
