"""Rows of a sealed test part that a model predicted: no score, and yet on record."""

from collections.abc import Iterable
from dataclasses import dataclass

from fesearch.card import Card
from fesearch.errors import FesearchError
from fesearch.record import ResultKey
from fesearch.sealed import Met, Sealed, told
from fesearch.store.results import Store
from fesearch.store.types import Look


@dataclass(frozen=True)
class Glance:
    """What became of the record.

    Attributes:
        look: the one on record; None where there can be none.
        why: there can be none.
    """

    look: Look | None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a model is from that is no exported one, with the formulas of its test part.

    Attributes:
        study, trial: that it is of.
        url: of their store; None where that is temporary.
    """

    sealed: Sealed
    key: ResultKey
    study: str
    trial: int
    url: str | None

    def meet(self, reduced: Iterable[str]) -> str:
        """Put on record which of some reduced formulas are of the test part.

        Returns:
            a sentence that says so; none where there is no such formula.
        """
        if not (met := self.sealed.met(reduced)):
            return ""
        if self.url is None:
            done = Glance(None, "it was in a temporary place; storage=… keeps one")
        else:
            done = put(self.key, self.study, self.trial, met, self.url)
        return said(met, self.key.split, done)


def recorded(card: Card, met: Met, url: str) -> str:
    """Put predictions on record as ``put_on_record`` does; returns a sentence that says so."""
    return said(met, card.split.fingerprint, put_on_record(card, met, url))


def put_on_record(card: Card, met: Met, url: str) -> Glance:
    """Put what an exported model predicted on record, see ``put``."""
    trained = card.trained
    key = ResultKey(card.data.hash, card.target, card.validation.metric, card.split.fingerprint)
    return put(key, trained.study, trained.trial, met, url)


def said(met: Met, fingerprint: str, done: Glance) -> str:
    """A sentence on compounds of the test part of a division, and on their record."""
    if done.look is not None:
        record = f"on record as look {done.look.sequence} at it, without a score"
        if done.look.how.calls > 1:
            record += f" ({done.look.extent} so far)"
    else:
        record = f"not on record, since there is no database of its study ({done.why})"
    return told(met, fingerprint, record)


def put(key: ResultKey, study: str, trial: int, met: Met, url: str) -> Glance:
    """Record that compounds of the test part were predicted, where their study is known.

    All calls of one model are one look, with the formulas that any of them had. No database is
    made, and one that cannot be had stops no prediction.

    Args:
        study, trial: that the model is of.
        url: of a store, which need not be there.
    """
    try:
        with Store.open(url, create=False) as store:
            if not store.knows(key.data, key.split):
                return Glance(None, f"'{store.name}' does not know its division")
            return Glance(store.add_glance(key, study, trial, met.asked))
    except FesearchError as error:
        return Glance(None, error.message.rstrip("."))
