"""Rankings over repeated divisions: a table for each parent, with what scores scatter by."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from fesearch.metrics import Direction
from fesearch.ranking.contender import (
    Contender,
    contender,
    interval,
    ordered,
    predicted,
    validation_interval,
)
from fesearch.ranking.pieces import Piece, grouped, latest, pieces_of
from fesearch.record import ResultKey
from fesearch.store.results import Store
from fesearch.store.types import Division, StudyRow


@dataclass(frozen=True)
class RepeatedTable:
    """All that is ranked over one repeated division, the best by validation first.

    What has no validation score, such as configs that learned those rows too, stands behind them
    without a position, by test score.

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

    def ranked(self) -> list[tuple[int | None, Contender]]:
        """Every line with its position from 1; None where it has no validation score."""
        return [
            (place if self.key.metric in one.validation else None, one)
            for place, one in enumerate(self.contenders, start=1)
        ]


def repeated_table(
    store: Store,
    key: ResultKey,
    division: Division,
    members: Sequence[str],
    rows: Mapping[str, StudyRow],
    data: str,
    hidden: Collection[str] = (),
) -> RepeatedTable | None:
    """What was scored on two members or more of a repeated division; None where nothing was.

    Args:
        key: with the parent's fingerprint.
        rows: name -> study, all that may be shown.
        hidden: studies that are not: no ensemble with a model of theirs is either.
    """
    own = [
        row
        for row in rows.values()
        if (row.key.data, row.key.target, row.key.metric) == (key.data, key.target, key.metric)
    ]
    scored = [
        look
        for look in latest(look for row in own for look in store.looks_of(row))
        if look.split in members
        and look.value is not None
        and not set(look.how.studies).intersection(hidden)
    ]
    if len({look.split for look in scored}) < 2:
        return None
    efforts = {(e.study, e.family): e for e in store.efforts()}
    found = [
        contender(_one_a_member(group, own[0].direction), key.metric, efforts)
        for group in grouped(pieces_of(store, scored, {row.name for row in own}), _contending)
        if len({piece.look.split for piece in group}) > 1
    ]
    if not found:
        return None
    with_intervals = [
        replace(
            one,
            searched_on=_searched_on(store, one, rows),
            interval=interval(one.looks, predicted(one.looks, rows)),
            val_interval=validation_interval(one.looks, rows),
        )
        for one in found
    ]
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
        tuple(_compared(ordered(with_intervals, key.metric, own[0].direction), division)),
    )


def _searched_on(store: Store, one: Contender, rows: Mapping[str, StudyRow]) -> tuple[str, ...]:
    """The divisions of its studies, as typed, each once."""
    keys = [rows[study].key for study in one.studies]
    return tuple(dict.fromkeys(store.division(key.data, key.split).spec for key in keys))


def _contending(piece: Piece) -> Hashable:
    """What pieces of one contender have in common.

    The search was run on each member: the best of a family of each, or the best ensemble; how
    many picks that has is found on each. Else the same trial, or the same picks.
    """
    return (piece.look.how.trained, piece.family) if piece.of_each else piece.model


def _one_a_member(pieces: Sequence[Piece], direction: Direction) -> list[Piece]:
    """Of a search on each member, what validation chose there; else all pieces."""
    if not pieces[0].of_each:
        return list(pieces)
    best: dict[str, Piece] = {}
    for piece in pieces:
        there = best.setdefault(piece.look.split, piece)
        worse, better = sorted((there.validation, piece.validation), reverse=True)
        if piece.validation == (better if direction == "minimize" else worse):
            best[piece.look.split] = piece
    return list(best.values())


def _compared(found: Sequence[Contender], division: Division) -> list[Contender]:
    """Contenders with their ties."""
    if len(found) < 2:
        return list(found)
    from fesearch.ranking.compare import on_divisions

    usual = division.n_test / division.n_train
    ratios = [one.test_to_train or usual for one in found]
    standings = on_divisions([one.scores for one in found], ratios)
    return [replace(one, standing=s) for one, s in zip(found, standings, strict=True)]
