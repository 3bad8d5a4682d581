"""Where a model meets a test part: the look goes on record, and its predictions are kept."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fesearch import predictions
from fesearch.intervals import Calibration
from fesearch.metrics import MAE_INTERVAL, METRICS
from fesearch.model import FittedModel
from fesearch.record import ResultKey, TrialResult
from fesearch.retrain import run, seeds, training
from fesearch.search.folder import identity, joined_folder
from fesearch.search.prepare import Prepared
from fesearch.search.training import Trained as Made
from fesearch.search.training import Training
from fesearch.split import Development, Split, fingerprint
from fesearch.statistics import bootstrap_interval, in_blocks, repeated_interval
from fesearch.store.how import How, Searched, Trained
from fesearch.store.results import Store
from fesearch.store.types import Look, StudyRow

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Together:
    """What an ensemble says.

    Attributes:
        scored: for the rows that trials are scored by, see ``Development.scored_y``; None where
            they are not known.
        test, spread: (n_test,) for the test rows, the spread None of a single model.
        calibration: by the validation rows.
    """

    scored: np.ndarray | None
    test: np.ndarray
    spread: np.ndarray | None
    calibration: Calibration | None


class Desk:
    """Looks at test parts of the data of one study."""

    def __init__(self, store: Store, row: StudyRow, prepared: Prepared) -> None:
        self._store, self._row, self.prepared = store, row, prepared
        self._metrics = {**METRICS, prepared.metric.name: prepared.metric}

    def looks(self, split: Split) -> list[Look]:
        """Those on record at the test rows of a division."""
        return self._store.looks(self._key(split))

    def test(self, split: Split) -> str:
        """Fingerprint of the test rows of a division."""
        ids = [self.prepared.dataset.ids[row] for row in split.test]
        return fingerprint(ids, ["test"] * len(ids))

    @staticmethod
    def identity(look: Look) -> tuple[str, str, str, int]:
        """What tells a look from others."""
        return look.data, look.target, look.split, look.sequence

    def searched(self, trial: TrialResult, model: FittedModel) -> Look:
        """Look with the model that a trial left."""
        prepared = self.prepared
        data = prepared.development
        held, validation = self._validated(model, data, prepared.split)
        how = replace(
            self._how(prepared.split),
            seed=trial.seed,
            n_train=len(data.train_y),
            validation=validation,
        )
        calibration = Calibration.of(data.val_y, held)
        return self._look(trial.number, prepared.split, model, how, calibration)

    def together(self, trial: TrialResult, said: Together, how: How, split: Split) -> Look:
        """Look with an ensemble on a division.

        Args:
            trial: the most picked.
            how: its training, latency and picks.
        """
        (_, y), where = self._all(), self._how(split)
        scored = None if said.scored is None else self._held(split, y, said.scored)
        how = replace(
            how,
            over=where.over,
            searched=where.searched,
            known=where.known,
            n_train=len(split.train) + (len(split.val) if how.trained.joined else 0),
            validation=scored or {},
        )
        return self._put(
            trial.number, split, y[split.test], said.test, said.spread, how, said.calibration
        )

    def training(self, trial: TrialResult, split: Split, place: int, *, joined: bool) -> Training:
        """The config of a trial, to be trained anew.

        Args:
            place: of the seed, 0 for the trial's own.
            joined: on training and validation part.
        """
        seed = seeds(trial, place + 1)[place]
        return training(self._row, self.prepared, split, trial, seed, joined=joined)

    def recorded(self, training: Training) -> Look | None:
        """The look with what came of a training, if it is on record."""
        spec, kind = training.spec, Trained.JOINED if training.joined else Trained.AGAIN
        for look in self._store.looks_of(self._row):
            same = (look.trial, look.split) == (spec.number, training.split.fingerprint)
            if same and (look.how.trained, look.how.seed) == (kind, spec.seed):
                return look
        return None

    def anew(self, training: Training, made: Made) -> Look:
        """Look with what came of a training."""
        spec, split = training.spec, training.split
        kind = Trained.JOINED if training.joined else Trained.AGAIN
        how = replace(self._how(split), trained=kind, seed=spec.seed, n_train=made.rows)
        calibration = None
        if not training.joined:
            data = split.development(*self._all())
            held, validation = self._validated(made.model, data, split)
            calibration = Calibration.of(data.val_y, held)
            how = replace(how, validation=validation)
            if np.isfinite(held).all():
                how = replace(how, held=self._keep(self._predictions(split.val, held)))
        elif split.fingerprint == self.prepared.split.fingerprint:  # what export may deliver
            made.model.save(joined_folder(self._row, spec.number, spec.seed))
        look = self._look(spec.number, split, made.model, how, calibration)
        _log.info(
            *("Trial %d of %s on %s, seed %d: %.0f s", spec.number, self._row.name),
            *(split.spec, spec.seed, made.seconds),
        )
        return look

    def _validated(
        self, model: FittedModel, data: Development, split: Split
    ) -> tuple[np.ndarray, dict[str, float]]:
        """What it says of the validation rows, and its scores on the rows that trials have."""
        held = model.predict(data.val_x)
        scored = held if data.folds is None else model.scored(data)
        return held, self._held(split, self._all()[1], scored)

    def _look(
        self,
        number: int,
        split: Split,
        model: FittedModel,
        how: How,
        calibration: Calibration | None,
    ) -> Look:
        """Score a model, keep its predictions and put the look on record."""
        x, y = split.test_part(*self._all())
        how = replace(how, latency=model.latency(x))
        return self._put(number, split, y, model.predict(x), None, how, calibration)

    def _put(
        self,
        number: int,
        split: Split,
        y: np.ndarray,
        predicted: np.ndarray,
        spread: np.ndarray | None,
        how: How,
        calibration: Calibration | None,
    ) -> Look:
        """Score predictions of the test rows, keep them and put the look on record."""
        scores = self._scores(y, predicted)
        if np.isfinite(predicted).all():
            kept = self._predictions(split.test, predicted)
            interval, name = bootstrap_interval(kept.errors, kept.groups), self._keep(kept)
            found = calibration.coverages(y, predicted, spread) if calibration else []
            covered = {f"{one.level:g}": (one.covered, one.width) for one in found}
            how = replace(how, interval=interval, predictions=name, coverage=covered)
        return self._store.add_look(self._row, number, split.fingerprint, scores, len(y), how)

    def _predictions(self, rows: np.ndarray, predicted: np.ndarray) -> predictions.Predictions:
        """Those of some rows of the data set, in groups of one reduced formula."""
        reduced = map(self.prepared.dataset.reduced.__getitem__, rows)
        return predictions.of_formulas(rows, reduced, self._all()[1][rows], predicted)

    def _keep(self, said: predictions.Predictions) -> str:
        """Keep predictions in the folder of the study; the name of their file there."""
        return said.save(predictions.holdout_folder(identity(self._row)))

    def kept(self, name: str | None) -> predictions.Predictions | None:
        """Predictions of a look, by the name of their file; see ``predictions.kept``."""
        return predictions.kept(identity(self._row), name)

    def _how(self, split: Split) -> How:
        """Where the config was searched, as seen from the test rows of a division."""
        own = self.prepared.split
        if split.fingerprint == own.fingerprint:
            return How(over=split.parent)
        known = int(np.isin(split.test, np.concatenate([own.train, own.val])).sum())
        return How(
            over=split.parent, searched=Searched.ELSEWHERE if known else Searched.ONCE, known=known
        )

    def _held(self, split: Split, y: np.ndarray, said: np.ndarray) -> dict[str, float]:
        """Scores of the rows that trials are scored by, and the interval of their MAE."""
        truth, rows = y[split.scored_rows], split.scored_rows
        found = self._scores(truth, said)
        if np.isfinite(said).all():
            formulas = np.array([self.prepared.dataset.reduced[row] for row in rows])
            ends = repeated_interval(np.abs(said - truth), in_blocks(formulas))  # as trials have it
            found |= dict(zip(MAE_INTERVAL, ends, strict=True))
        return found

    def _scores(self, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        return {metric.name: metric(truth, predicted) for metric in self._metrics.values()}

    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        """Features and target of all rows of the data set."""
        prepared = self.prepared
        return prepared.features.matrix, prepared.dataset.target(prepared.target)

    def _key(self, split: Split) -> ResultKey:
        return replace(self._row.key, split=split.fingerprint)


def looks_anew(asked: Sequence[tuple[Desk, Training]]) -> list[Look]:
    """The looks with what comes of trainings; those on record are not made again.

    Each is on record as soon as its model is trained.

    Raises:
        NoResultError: a training diverged.
    """
    found = [desk.recorded(training) for desk, training in asked]
    missing = [place for place, look in enumerate(found) if look is None]

    def there(which: int, made: Made) -> None:
        desk, training = asked[missing[which]]
        found[missing[which]] = desk.anew(training, made)

    prepared = {asked[place][1].study: asked[place][0].prepared for place in missing}
    if missing:
        run([asked[place][1] for place in missing], prepared, there)
    return [look for look in found if look is not None]
