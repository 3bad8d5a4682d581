"""Rows of a sealed test part that an exported model predicted: no score, and yet on record."""

from dataclasses import dataclass

from fesearch.card import Card
from fesearch.errors import FesearchError
from fesearch.record import ResultKey
from fesearch.store.how import Trained
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


def recorded(card: Card, rows: int, url: str) -> str:
    """Put predictions on record as ``put_on_record`` does; returns a sentence that says so."""
    done = put_on_record(card, rows, url)
    verb = "has a formula" if rows == 1 else "have formulas"
    if done.look is not None:
        record = f"on record as look {done.look.sequence} at it, without a score"
    else:
        record = f"not on record, since there is no database of its study ({done.why})"
    return (
        f"{rows} of these compounds {verb} of the model's sealed test part "
        f"({card.split.fingerprint[:12]}): {record}."
    )


def put_on_record(card: Card, rows: int, url: str) -> Glance:
    """Record that so many compounds of the test part were predicted, where their study is known.

    As many with the same model are on record once: a screening of a thousand calls is one look.
    No database is made, and one that cannot be had stops no prediction.

    Args:
        url: of a store, which need not be there.
    """
    trained = card.trained
    key = ResultKey(card.data.hash, card.target, card.validation.metric, card.split.fingerprint)
    try:
        with Store.open(url, create=False) as store:
            if not store.knows(key.data, key.split):
                return Glance(None, f"'{store.name}' does not know its division")
            for look in store.looks(key):
                same = (look.study, look.trial) == (trained.study, trained.trial)
                if same and look.how.trained is Trained.PREDICTED and look.rows >= rows:
                    return Glance(look)
            return Glance(store.add_glance(key, trained.study, trained.trial, rows))
    except FesearchError as error:
        return Glance(None, error.message.rstrip("."))
