"""What analyses look at: a study in the store, or an exported model; read only when asked for."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fesearch import library, predictions
from fesearch.bundle import open_bundle
from fesearch.bundlefiles import MODEL, is_model
from fesearch.card import Card
from fesearch.errors import InputError
from fesearch.examined import Examined, Part
from fesearch.features import available, build
from fesearch.featureset import Inputs
from fesearch.finalists import kept_model, ranked
from fesearch.folds import parts
from fesearch.model import FittedModel
from fesearch.record import ResultKey, TrialResult
from fesearch.search.folder import identity
from fesearch.search.prepare import Prepared, Progress, prepare_again
from fesearch.split import make
from fesearch.splitspec import SplitSpec
from fesearch.store.results import Store
from fesearch.store.types import Division, Look, ReportRow, StudyRow

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Searched:
    """What the store knows of a study.

    Attributes:
        looks: trial -> the last look at it.
        retrained: looks on this division at configs trained on training and validation part, the
            oldest first.
        looked: how often the test part was looked at, by whatever study.
    """

    row: StudyRow
    trials: Sequence[TrialResult]
    reports: Sequence[ReportRow]
    division: Division
    looks: Mapping[int, Look]
    retrained: Sequence[Look]
    looked: int

    @property
    def usable(self) -> list[TrialResult]:
        """Trials with a model and a value, the best first."""
        sign = 1.0 if self.row.direction == "minimize" else -1.0
        found = [one for one in self.trials if one.state.usable and one.value is not None]
        return sorted(found, key=lambda one: (sign * (one.value or 0.0), one.number))


class Subject(ABC):
    """A study or an exported model."""

    name: str

    @property
    @abstractmethod
    def searched(self) -> Searched:
        """Its trials.

        Raises:
            InputError: it is an exported model, which has none.
        """

    @property
    @abstractmethod
    def examined(self) -> Examined:
        """Its model with the data.

        Raises:
            InputError: weights, data or division are not what they were.
            NoResultError: it is a study without a usable trial.
        """


@dataclass(frozen=True, eq=False)
class StudySubject(Subject):
    """A study; its model is that of ``trial``, or of the best one whose weights are kept."""

    name: str
    url: str
    trial: int | None = None
    progress: Progress | None = None

    @cached_property
    def searched(self) -> Searched:
        with Store.look(self.url) as store:
            row = store.study(self.name)
            return Searched(
                row,
                store.trials(row),
                store.reports(row),
                store.division(row.key.data, row.key.split),
                store.looks_at(row),
                store.retrained(row),
                len(store.looks(row.key)),
            )

    @cached_property
    def prepared(self) -> Prepared:
        """Data, features and division of the study.

        Raises:
            InputError: they are not what they were.
        """
        return prepare_again(self.searched.row, self.progress)

    @cached_property
    def examined(self) -> Examined:
        row, prepared = self.searched.row, self.prepared
        with Store.look(self.url) as store:
            best = self.trial is None
            trial = ranked(store, row)[0] if best else store.trial(row, self.trial or 0)
        sealed = InputError(
            f"The test part is sealed: nobody has scored trial {trial.number} of '{self.name}' "
            "on it.",
            f"Put a look on record: fesearch holdout {self.name}",
        )
        label = f"{self.name} {trial.number} ({trial.family})"
        look = self.searched.looks.get(trial.number)
        same = (trial.number, trial.seed)
        anew = (one for one in self.searched.retrained if (one.trial, one.how.seed) == same)
        again = next(anew, None)
        gone, model, tested = None, None, None
        if look is not None:
            tested = _tested(row, prepared, look, label)
        elif again is not None:
            tested = _tested(row, prepared, again, f"{label}, {again.how.trained}")
        try:
            model = kept_model(row, prepared, trial)
        except InputError as error:
            if tested is None:
                raise
            gone = error
        return Examined(
            label=label,
            family=trial.family,
            model=None if model is None or parts(model.arrays) else model,
            load=None if model is None else model.predictor,
            key=row.key,
            unit=prepared.dataset.units[prepared.target],
            data=prepared.dataset,
            split=prepared.split,
            x=prepared.features.matrix,
            names=prepared.features.names,
            features=prepared.features.name,
            sealed=sealed if look is None else None,
            gone=gone,
            tested=tested,
            pictured="validation" if tested is None else "test",
        )


def _tested(row: StudyRow, prepared: Prepared, look: Look, label: str) -> Part | None:
    """What a look at the test part of a study has left; None where that is lost or damaged."""
    try:
        kept = predictions.kept(identity(row), look.how.predictions)
    except InputError as error:
        _log.warning("Predicted again: %s", error.message)
        return None
    if kept is None or not np.array_equal(kept.rows, prepared.split.test):
        return None
    return Part(label, kept.rows, kept.truth, kept.predicted, look.how.trained.joined)


@dataclass(frozen=True, eq=False)
class ModelSubject(Subject):
    """An exported model or ensemble; its data set must be imported here, by whatever name."""

    name: str
    folder: Path
    progress: Progress | None = None

    @property
    def searched(self) -> Searched:
        raise InputError(
            f"'{self.name}' is an exported model, and this analysis reads the trials of a study.",
            "Give the name of a study: fesearch study list",
        )

    @cached_property
    def examined(self) -> Examined:
        bundle = open_bundle(self.folder)
        card = bundle.card
        data = library.load(data_here(card))

        def having(name: str) -> np.ndarray:
            return available(name, data, self.progress)

        split = make(data, SplitSpec.parse(card.split.spec), target=card.target, having=having)
        features = build(
            "+".join(one.name for one in card.features), Inputs.of(data), self.progress
        )
        digests = [term.digest() for term in features.combination.terms]
        now = {
            "division": (split.fingerprint, card.split.fingerprint),
            "features": (digests, [one.digest for one in card.features]),
        }
        for what, (found, said) in now.items():
            if found != said:
                raise InputError(
                    f"The {what} of '{self.name}' cannot be made again: it is another one here.",
                    "Use the version of fesearch that exported the model.",
                )
        family = "+".join(card.families)
        sealed = None if card.test and not card.scored_another else _sealed(self.name, card)
        return Examined(
            label=f"{self.folder.name} ({family})",
            family=family,
            model=_single(self.folder, card),
            load=lambda: lambda x: bundle.of_features(x)[0],
            key=ResultKey(data.hash, card.target, card.validation.metric, split.fingerprint),
            unit=card.unit,
            data=data,
            split=split,
            x=features.matrix,
            names=features.names,
            features=features.name,
            sealed=sealed,
            learned=_learned(self.name, card),
            left=None if card.joined is None else split.test,
            pictured="validation" if sealed else "test",
        )


def _single(folder: Path, card: Card) -> FittedModel | None:
    """The model of a bundle that is of one, not a mean of several."""
    if len(card.members) > 1:
        return None
    model = FittedModel.load(folder / MODEL)
    return None if parts(model.arrays) else model


def _sealed(name: str, card: Card) -> InputError:
    studies = " ".join(dict.fromkeys(one.trained.study for one in card.members))
    ensemble = f" --ensemble {card.picks}" if len(card.members) > 1 else ""
    return InputError(
        f"The test part is sealed: '{name}' was exported before a look at it.",
        f"Put a look on record, and export again: fesearch holdout {studies}{ensemble}",
    )


def _learned(name: str, card: Card) -> InputError | None:
    """Why a model trained on more than the training part cannot be asked for what it learned."""
    if card.joined is not None:
        return InputError(
            f"'{name}' was trained on the validation rows too (--refit val), and they do not say "
            "how good it is.",
            "Analyse its test part: --part test",
        )
    if card.refit is None:
        return None
    return InputError(
        f"'{name}' was trained on the rows of all parts (--refit all), and none are left that say "
        "how good it is.",
        "Analyse its study, or export it without --refit.",
    )


def subject(
    text: str, url: str, *, trial: int | None = None, progress: Progress | None = None
) -> Subject:
    """The study of that name, or the exported model in that folder.

    Args:
        url: of the store.
        trial: whose model of a study; the best by default.

    Raises:
        InputError: a trial of an exported model is asked for.
    """
    folder = Path(text)
    if not is_model(text):
        return StudySubject(text, url, trial, progress)
    if trial is not None:
        raise InputError(
            f"'{text}' is an exported model, which is of one trial.", "Leave --trial out."
        )
    return ModelSubject(text, folder, progress)


def models(subjects: Sequence[Subject]) -> list[Examined]:
    """The models of subjects, all on one division.

    Raises:
        InputError: two are on different data, targets or divisions.
    """
    found = [one.examined for one in subjects]
    for other in found[1:]:
        first = found[0]
        ours, theirs = (_place(one.key) for one in (first, other))
        if ours != theirs:
            what = next(name for name in ours if ours[name] != theirs[name])
            raise InputError(
                f"'{first.label}' and '{other.label}' cannot be compared: {what} "
                f"{ours[what]} and {theirs[what]}.",
                "Analyse one at a time, or search both on one division.",
            )
    return found


def searches(subjects: Sequence[Subject], by: Callable[[ResultKey], object]) -> list[Searched]:
    """The trials of subjects, which have one metric of one target of one data set in common.

    Args:
        by: what else of their keys is to be the same.

    Raises:
        InputError: they have not.
    """
    found = [one.searched for one in subjects]
    for other in found[1:]:
        first = found[0]
        ours, theirs = first.row, other.row
        if by(ours.key) != by(theirs.key):
            raise InputError(
                f"'{ours.name}' and '{theirs.name}' cannot be compared: "
                f"{_words(ours.key)} and {_words(theirs.key)}.",
                "Analyse one at a time, or search both alike.",
            )
    return found


def _place(key: ResultKey) -> dict[str, str]:
    return {"data": key.data[:12], "target": key.target, "division": key.split[:12]}


def _words(key: ResultKey) -> str:
    return f"{key.metric} of {key.target}, data {key.data[:12]}, division {key.split[:12]}"


def data_here(card: Card) -> str:
    """What the data set a card is about is called here, whatever its name was there.

    Raises:
        InputError: it is not here.
    """
    known = {summary.hash: summary.name for summary in library.listing()}
    if card.data.hash not in known:
        raise InputError(
            f"The model was trained on the data {card.data.name} ({card.data.hash[:12]}), which "
            "are not here.",
            "Import them: fesearch data import FILE --name NAME …",
        )
    return known[card.data.hash]
