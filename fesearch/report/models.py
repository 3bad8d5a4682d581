"""Exported models on a page: what their cards say first, and the pictures that they have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fesearch import bundlefiles
from fesearch.card import Card, read_card
from fesearch.errors import InputError
from fesearch.metrics import METRICS, title_of
from fesearch.report.sections import Missing, Section
from fesearch.report.templates import cell
from fesearch.subject import data_here


@dataclass(frozen=True)
class Exported:
    """An exported model on a page.

    Attributes:
        name: of its folder, as it was typed.
        lacks: why it has no pictures, with what to type; None where its data are here.
    """

    name: str
    card: Card
    lacks: InputError | None
    sections: Sequence[Section] = ()
    missing: Sequence[Missing] = ()

    @property
    def score(self) -> tuple[str, float | None, str]:
        """What it is judged by: the part, the score and its unit; test where that is its own."""
        said, test = self.card.validation, self.card.test
        if test is None or not _own(self.card) or said.metric not in test.scores:
            return "validation", said.value, said.unit
        return "test", test.scores[said.metric], said.unit

    @property
    def kind(self) -> str:
        """Its family, or how many of which families it is the mean of."""
        families, count = " + ".join(self.card.families), len(self.card.members)
        return families if count == 1 else f"the mean of {count} models ({families})"

    @property
    def metric(self) -> str:
        """What it was chosen by, as print has it."""
        return title_of(self.card.validation.metric)


def exported(name: str) -> Exported:
    """What the folder of an exported model says, every file of it checked.

    Raises:
        InputError: it is none, or was changed.
    """
    bundlefiles.check(Path(name))
    card = read_card(Path(name) / bundlefiles.CARD)
    try:
        data_here(card)
    except InputError as error:
        return Exported(name, card, error)
    return Exported(name, card, None)


def facts(card: Card) -> Mapping[str, str]:
    """What there is to know of an exported model before its pictures, in words."""
    split, unit = card.split, card.validation.unit
    interval = card.validation.intervals.get(card.validation.metric)
    chosen = f"{_in_unit(card.validation.value, unit)}{_within(interval)}"
    on = f"{split.folds} inner folds" if split.folds else f"{split.val:,} validation rows"
    found = {
        "predicts": f"{card.target} ({card.unit}), {_low_high(card.target_range)} in training",
        "model": _origin(card),
        "validation": f"{title_of(card.validation.metric)} {chosen} on {on}, which chose it",
        "test": _test(card),
        "trained on": _trained_on(card),
        "data": f"{card.data.name} (sha256 {card.data.hash})",
        "division": f"{split.spec} (fingerprint {split.fingerprint})",
        "features": ", ".join(f"{one.name} ({len(one.columns)})" for one in card.features),
        "licence of the data": card.data.licence,
        "citation": card.data.citation,
        "versions": ", ".join(f"{name} {text}" for name, text in card.versions.items()),
    }
    return {name: text for name, text in found.items() if text}


_JOINED = "of the same config trained on training and validation part"


def _own(card: Card) -> bool:
    """Whether the test scores are of the very model in the folder."""
    return card.refit is None and not card.scored_another


def _origin(card: Card) -> str:
    if len(card.members) == 1:
        one = card.trained
        config = cell(one.config)
        return f"{one.family}, trial {one.trial} of the study {one.study}: {config}"
    picks = ", ".join(
        f"{one.trained.study} {one.trained.trial} ({one.trained.family}) ×{one.picks}"
        for one in card.members
    )
    return f"the mean of {len(card.members)} models, picked by their validation score: {picks}"


def _test(card: Card) -> str:
    if card.test is None:
        return "sealed: nobody had looked when it was exported"
    scores = ", ".join(
        f"{title_of(name)} {_in_unit(score, _unit(card, name))}"
        + _within(card.test.intervals.get(name))
        for name, score in card.test.scores.items()
    )
    whose = "" if _own(card) else f"{'of the model before' if card.refit else _JOINED}; "
    return f"{scores}; {whose}{card.test.rows:,} rows, looks: {card.test.looks}"


def _trained_on(card: Card) -> str:
    split = card.split
    others = f"{split.val:,} to validate, {split.test:,} to test"
    parts = f"{split.train:,} to train, {others}"
    if card.refit is not None:
        return f"all {card.refit:,} rows ({parts} in the search)"
    if card.joined is not None:
        return f"{card.joined:,} rows, of training and validation part ({parts} in the search)"
    return f"{split.train:,} rows; {others}"


def _unit(card: Card, metric: str) -> str:
    """Of a score; one of the user's own metrics need not be known here."""
    return METRICS[metric].in_unit(card.unit) if metric in METRICS else card.validation.unit


def _in_unit(value: float | None, unit: str) -> str:
    return "not finite" if value is None else f"{cell(value)} {unit}".rstrip()


def _low_high(ends: tuple[float, float]) -> str:
    return " … ".join(map(cell, ends))


def _within(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95 % interval {_low_high(interval)})"
