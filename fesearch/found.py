"""What a study, or a search over many families, has found: ranked, used, scored and shown."""

import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fesearch.errors import NoResultError, StudyNotFoundError
from fesearch.overviews import Ranking
from fesearch.paths import artifacts_at
from fesearch.ranking import rank
from fesearch.ranking.single import Table
from fesearch.record import TrialResult
from fesearch.store.results import Store
from fesearch.store.types import RankedTrial, StudySummary

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fesearch.analysis import Finding
    from fesearch.bundle import Bundle
    from fesearch.card import Card, ProgramKind
    from fesearch.holdout import Holdout
    from fesearch.sealed import Met
    from fesearch.structure import Structures


class Handle(ABC):
    """What studies and searches over many families have in common.

    Attributes:
        name: in the store.
        url: of the store.
        artifacts: folder of its weights and data, where it is not the usual one.
    """

    def __init__(self, name: str, url: str, artifacts: Path | None = None) -> None:
        self.name, self.url, self.artifacts = name, url, artifacts
        self._models: dict[tuple[Any, ...], Bundle] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.url, self.artifacts)  # what it is of is in the store

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of the studies it is made of, in the store."""

    def rank(self, *, every: bool = False, beside: str | None = None) -> Ranking:
        """The best trial of each family, the best first; or ``every`` trial.

        Args:
            beside: published values to show below the rankings, see ``published.read``.

        Raises:
            NoResultError: no trial is usable.
            InputError: there are no such values.
        """
        from fesearch.ranking import published

        publication = None if beside is None else published.read(beside)
        with artifacts_at(self.artifacts):  # the predictions there are compared
            tables = self._tables(every)
            repeated = rank.repeated_tables(self.url, studies=self.names)
            return Ranking(tables, repeated, publication)

    @property
    def best(self) -> TrialResult:
        """The best trial by validation, of all families.

        Raises:
            NoResultError: no trial is usable.
        """
        first = self._first()
        with Store.look(self.url) as store:
            return store.trial(store.study(first.study), first.number)

    @property
    def trials(self) -> tuple[TrialResult, ...]:
        """Every trial so far, by study and number."""
        with Store.look(self.url) as store:
            return tuple(trial for name in self.names for trial in store.trials(store.study(name)))

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each trial, with a column ``config.NAME`` for each parameter."""
        import pandas as pd

        with Store.look(self.url) as store:
            studies = [store.study(name) for name in self.names]
            rows = [
                _row(row.name, trial, words[trial.state])
                for row, words in ((row, store.words(row)) for row in studies)
                for trial in store.trials(row)
            ]
        return pd.DataFrame(rows)

    def export(
        self,
        to: Path | str,
        *,
        trial: int | None = None,
        ensemble: int | None = None,
        refit: bool = False,
        joined: bool = False,
        program: "ProgramKind | None" = None,
        device: str = "cpu",
    ) -> "Card":
        """Write a model into a new folder, see ``fesearch.export.export``; returns its card.

        Args:
            trial: of the study with the best trial; that by default.
            ensemble: the mean of so many picks, of all families.
            refit: train it on all rows first.
            joined: the model that ``holdout(retrain=True)`` scored.
            program: add networks as "onnx" or "torch" programs, which run without fesearch.
        """
        from fesearch.export import export

        with artifacts_at(self.artifacts):
            return export(
                self.name if trial is None else self._first().study,
                self.url,
                Path(to),
                trial=trial,
                ensemble=ensemble,
                refit=refit,
                joined=joined,
                program=program,
                device=device,
            )

    def model(
        self, *, trial: int | None = None, ensemble: int | None = None, refit: bool = False
    ) -> "Bundle":
        """The model that ``export`` would write, in memory."""
        from fesearch.bundle import open_bundle

        first = self._first()
        asked = (first.study, first.number, trial, ensemble, refit)
        if asked not in self._models:
            with tempfile.TemporaryDirectory(prefix="fesearch-") as folder:
                to = Path(folder) / "model"
                self.export(to, trial=trial, ensemble=ensemble, refit=refit)
                self._models = {asked: open_bundle(to)}
        return self._models[asked]

    def predict(
        self,
        formulas: Sequence[str],
        structures: "Structures | None" = None,
        numbers: "Mapping[str, np.ndarray] | None" = None,
        **model: Any,
    ) -> "np.ndarray":
        """Predictions (n,) of the best model for n compounds, in the unit of the target.

        Those of formulas of the sealed test part are put on record, with a warning that says so.

        Args:
            structures: of the n compounds, for a model that reads them.
            numbers: column -> (n,) numbers, for a model that reads the user's own.
            model: which one, as ``model`` takes it.

        Raises:
            InputError: a formula cannot be read, or the model reads what is not given.
        """
        from fesearch.glance import recorded

        texts = [formulas] if isinstance(formulas, str) else list(formulas)
        bundle = self.model(**model)
        met: list[Met] = []
        found = bundle.predict(texts, structures, numbers, meet=met.append)
        for one in met:
            warnings.warn(recorded(bundle.card, one, self.url), stacklevel=2)
        return found

    def holdout(self, *, ensemble: int | None = None, **asked: Any) -> "Holdout":
        """Score finalists on the sealed test part, on record; see ``fesearch.holdout.holdout``.

        Args:
            ensemble: score the mean that ``export(ensemble=…)`` writes instead, see
                ``fesearch.joint.holdout_ensemble``.
            asked: top, best_per_family, retrain, seeds, over, place; of an ensemble retrain, over
                and place.
        """
        from fesearch.holdout import holdout
        from fesearch.joint import holdout_ensemble

        with artifacts_at(self.artifacts):
            if ensemble is not None:
                return holdout_ensemble([self.name], self.url, ensemble, **asked)
            return holdout(self.name, self.url, **asked)

    def report(
        self,
        to: Path | str = "report.html",
        *,
        figures: Path | str | None = None,
        beside: str | None = None,
        models: Sequence[Path | str] = (),
    ) -> Path:
        """Write all there is to see on one page, and its pictures if asked; returns its path.

        Args:
            models: folders of exported models, each with a section of its own.
            beside: published values to show beside the rankings, see ``published.read``.
        """
        from fesearch.ranking import published
        from fesearch.report import contents, page

        path, folder = Path(to), None if figures is None else Path(figures)
        page.checked(path, folder)
        publication = None if beside is None else published.read(beside)
        with artifacts_at(self.artifacts):
            collected = contents.collect(
                [*self.names, *map(str, models)], self.url, beside=publication
            )
            page.write(collected, path)
            if folder is not None:
                page.write_figures(collected, folder)
        return path

    def analyse(self, kind: str, **settings: Any) -> "Finding":
        """One analysis of ``fesearch analyse list``, as numbers.

        Args:
            settings: part, repeats, rows, bins; those that the analysis takes.
        """
        from fesearch.analysis import ANALYSES
        from fesearch.subject import subject

        analysis = ANALYSES.get(kind)
        with artifacts_at(self.artifacts):
            return analysis.find(
                [subject(name, self.url) for name in self.names], analysis.settings(**settings)
            )

    def stop(self) -> Self:
        """Ask drivers elsewhere to stop it; they leave checkpoints. Queued jobs leave it alone."""
        from fesearch.search import remaining

        remaining.stop(self.name, self.url)
        return self

    def delete(self) -> None:
        """Remove it with its weights; looks at the test part stay on record."""
        from fesearch.search import start

        with Store.open(self.url, create=False) as store:
            store.refuse_searched(self.name)
        with artifacts_at(self.artifacts):
            for name in self.names:
                start.delete(name, self.url)

    def summaries(self) -> list[StudySummary]:
        """Each study with its numbers of trials by state, and its best value."""
        with Store.look(self.url) as store:
            found = {one.study.name: one for one in store.studies()}
            return [found[name] if name in found else _missing(store, name) for name in self.names]

    def _tables(self, every: bool = False) -> list[Table]:
        """Its ranking under each key."""
        if not (names := self.names):
            raise StudyNotFoundError(f"Of '{self.name}' no study is left.", "fesearch.studies()")
        return rank.tables(self.url, studies=names, every=every)

    def _first(self) -> RankedTrial:
        """The best of all, as it is ranked."""
        with artifacts_at(self.artifacts):
            return self._tables()[0].entries[0].trial


def _row(study: str, trial: TrialResult, state: str) -> dict[str, Any]:
    return {
        "study": study,
        "number": trial.number,
        "state": state,
        "value": trial.value,
        "family": trial.family,
        "resource": trial.resource,
        "unit": trial.unit,
        "seconds": trial.seconds,
        "parameters": trial.parameters,
        "latency_us": trial.latency_us,
        "reason": trial.reason,
        **{f"config.{name}": value for name, value in trial.config.items()},
    }


def _missing(store: Store, name: str) -> StudySummary:
    """The error for a study that is gone."""
    store.study(name)  # names the nearest
    raise NoResultError(f"The study '{name}' has just been deleted.", "See: fesearch study list")
