"""Studies of a store as objects: each method makes one call of the library, and nothing else."""

import json
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fesearch import notebook, rank
from fesearch.errors import NoResultError, StudyNotFoundError
from fesearch.metrics import title_of
from fesearch.overviews import Ranking, best_of, counts, in_brackets, line_of
from fesearch.paths import artifacts_at
from fesearch.record import TrialResult
from fesearch.store.results import Store
from fesearch.store.types import StudyRow, StudySummary

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fesearch.analysis import Finding
    from fesearch.bundle import Bundle
    from fesearch.card import Card, ProgramKind
    from fesearch.holdout import Holdout
    from fesearch.replay import Replayed
    from fesearch.search.enqueue import Enqueued
    from fesearch.search.extend import Extension
    from fesearch.search.more import Change
    from fesearch.search.portfolio import Looks
    from fesearch.search.roles import Watcher
    from fesearch.structure import Structures

_SHOWN = 5  # trials, or families, that a notebook shows


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

    def rank(self, *, every: bool = False) -> Ranking:
        """The best trial of each family, the best first; or ``every`` trial.

        Raises:
            NoResultError: no trial is usable.
        """
        if not (names := self.names):
            raise StudyNotFoundError(f"Of '{self.name}' no study is left.", "fesearch.studies()")
        with artifacts_at(self.artifacts):  # the predictions there are compared
            return Ranking(rank.tables(self.url, studies=names, every=every))

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
        from fesearch import formula
        from fesearch.glance import recorded
        from fesearch.sealed import met_in

        texts = [formulas] if isinstance(formulas, str) else list(formulas)
        bundle = self.model(**model)
        found = bundle.predict(texts, structures, numbers)
        if met := met_in(bundle.sealed, map(formula.reduced, texts)):
            warnings.warn(recorded(bundle.card, met, self.url), stacklevel=2)
        return found

    def holdout(self, **asked: Any) -> "Holdout":
        """Score finalists on the sealed test part, on record; see ``fesearch.holdout.holdout``.

        Args:
            asked: top, best_per_family, retrain, seeds, over.
        """
        from fesearch.holdout import holdout

        with artifacts_at(self.artifacts):
            return holdout(self.name, self.url, **asked)

    def report(
        self,
        to: Path | str = "report.html",
        *,
        figures: Path | str | None = None,
        beside: str | None = None,
    ) -> Path:
        """Write all there is to see on one page, and its pictures if asked; returns its path.

        Args:
            beside: published values to show beside the rankings, see ``published.read``.
        """
        from fesearch import published
        from fesearch.report import contents, page

        path, folder = Path(to), None if figures is None else Path(figures)
        page.checked(path, folder)
        publication = None if beside is None else published.read(beside)
        with artifacts_at(self.artifacts):
            collected = contents.collect(self.names, self.url, beside=publication)
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
        """Ask drivers elsewhere to stop it; they leave checkpoints. Nothing where none runs."""
        with Store.open(self.url, create=False) as store:
            for name in self.names:
                store.request_stop(store.study(name))
        return self

    def delete(self) -> None:
        """Remove it with its weights; looks at the test part stay on record."""
        from fesearch.search import start

        with artifacts_at(self.artifacts):
            for name in self.names:
                start.delete(name, self.url)

    def summaries(self) -> list[StudySummary]:
        """Each study with its numbers of trials by state, and its best value."""
        with Store.look(self.url) as store:
            found = {one.study.name: one for one in store.studies()}
            return [found[name] if name in found else _missing(store, name) for name in self.names]

    def _first(self) -> Any:
        """The best of all, as it is ranked."""
        return self.rank()[0].entries[0].trial


class StudyHandle(Handle):
    """A study of the store; ``fesearch.search`` and ``fesearch.open`` give one."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def row(self) -> StudyRow:
        """Every setting, and the hashes its numbers belong to."""
        with Store.look(self.url) as store:
            return store.study(self.name)

    def resume(
        self,
        *,
        time_limit: str | None = None,
        take_over: bool = False,
        progress: bool = False,
        **place: Any,
    ) -> Self:
        """Go on: finished trials stay, interrupted ones go on, what is left of the budget is spent.

        Args:
            time_limit: of this run, such as "30m".
            take_over: from a driver elsewhere that is gone for certain.
            place: gpus, cpus, gpus_per_trial or address of this run.
        """
        from fesearch.search import start

        with artifacts_at(self.artifacts), shown(progress) as watchers:
            outcome = start.resume(
                self.name,
                self.url,
                time_limit=time_limit,
                take_over=take_over,
                place=place,
                watchers=watchers,
            )
        ended(self.name, outcome.stopped)
        return self

    def extend(
        self,
        *,
        trials: int | str | None = None,
        time_limit: str | None = None,
        max_epochs: int | None = None,
    ) -> "Extension":
        """Give it more to spend, in all or as in "+50"; ``resume`` then spends it.

        Args:
            trials: 150 or "150" in all, "+50" more.
            time_limit: "8h" in all, "+2h" more.
            max_epochs: the new end of a trial.
        """
        from fesearch.search.extend import extend

        count = None if trials is None else str(trials)
        with artifacts_at(self.artifacts):
            return extend(
                self.name, self.url, trials=count, time_limit=time_limit, max_epochs=max_epochs
            )

    def enqueue(self, config: Mapping[str, Any]) -> "Enqueued":
        """Have a config tried next, within the budget; what it leaves out is the family's best."""
        from fesearch.search.enqueue import enqueue

        return enqueue(self.name, self.url, config=json.dumps(dict(config)))

    def archive(self, to: Path | str, *, with_data: bool = False) -> Path:
        """Write it into one file that can be read, ranked and replayed years later."""
        from fesearch import archive

        with artifacts_at(self.artifacts):
            archive.write(self.name, self.url, Path(to), with_data=with_data)
        return Path(to)

    def replay(self, **asked: Any) -> "list[Replayed]":
        """Train recorded trials again and compare; see ``fesearch.replay.replay``.

        Args:
            asked: trials, best, tolerance.
        """
        from fesearch.replay import replay

        with artifacts_at(self.artifacts):
            return replay(self.name, self.url, **asked)

    def __repr__(self) -> str:
        [one] = self.summaries()
        return notebook.brief("study", self.name, f"{counts(one)}, {best_of(one)}")

    def _repr_html_(self) -> str:
        [one] = self.summaries()
        row = one.study
        usable = _usable(self.trials)
        sign = 1 if row.direction == "minimize" else -1
        usable.sort(key=lambda trial: sign * (trial.value or 0.0))
        heading = f"validation {title_of(row.key.metric)} {in_brackets(row.unit)}".rstrip()
        about = {
            "state": row.state.value,
            "trials": counts(one),
            "best": best_of(one),
            "family": row.definition["study"]["family"],
            "data": f"{row.definition['study']['data']}, target {row.key.target}",
            "division": row.definition["study"]["split"],
        }
        best = [
            {
                "trial": trial.number,
                heading: trial.value,
                "state": trial.state.value,
                trial.unit: trial.resource,
                "seconds": trial.seconds,
                "config": trial.config,
            }
            for trial in usable[:_SHOWN]
        ]
        return notebook.facts(f"Study {self.name}", about) + (
            notebook.table("Best trials", best) if best else ""
        )


class PortfolioHandle(Handle):
    """A search over many families: a study of each, and one budget."""

    @property
    def names(self) -> tuple[str, ...]:
        from fesearch.search import portfolio

        return tuple(one.study.name for one in portfolio.members(self.name, self.url))

    @property
    def studies(self) -> tuple[StudyHandle, ...]:
        """The study of each family that was begun."""
        return tuple(StudyHandle(name, self.url, self.artifacts) for name in self.names)

    def resume(
        self, *, time_limit: str | None = None, progress: bool = False, **place: Any
    ) -> Self:
        """Go on with the families until their budget is spent; see ``StudyHandle.resume``."""
        from fesearch.duration import duration
        from fesearch.search import portfolio

        seconds = None if time_limit is None else duration(time_limit)
        with artifacts_at(self.artifacts):
            done = portfolio.go_on(
                self.name, self.url, looks(progress), seconds=seconds, place=place
            )
        ended(self.name, done.stopped)
        return self

    def extend(self, *, trials: int | str | None = None, time_limit: str | None = None) -> "Change":
        """Give the families more to share, in all or as in "+50".

        A search that runs takes it up at its next turn; else ``resume`` spends it.
        """
        from fesearch.search.more import extend_all

        count = None if trials is None else str(trials)
        return extend_all(self.name, self.url, trials=count, time_limit=time_limit)

    def __repr__(self) -> str:
        said = "; ".join(f"{one.study.name}: {best_of(one)}" for one in self.summaries())
        return notebook.brief("search over families", self.name, said or "nothing begun")

    def _repr_html_(self) -> str:
        return notebook.table(f"Search {self.name}", [line_of(one) for one in self.summaries()])


@contextmanager
def shown(progress: bool) -> "Iterator[Sequence[Watcher]]":
    """Watchers that show the live lines of a search, or nobody."""
    if not progress:
        yield ()
        return
    from fesearch.cli.live import watching

    with watching(quiet=False) as watchers:
        yield watchers


def looks(progress: bool) -> "Looks":
    """How a search over many families is followed."""
    from fesearch.search.portfolio import Looks

    return Looks(watching=lambda: shown(progress))


def ended(name: str, stopped: str) -> None:
    """Let an interruption through, which a search answers by stopping in good order.

    Raises:
        KeyboardInterrupt: it was interrupted; the study can be resumed.
    """
    from fesearch.search.core import INTERRUPTED

    if stopped == INTERRUPTED:
        raise KeyboardInterrupt(f"Go on with: fesearch.open({name!r}).resume()")


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


def _usable(trials: Sequence[TrialResult]) -> list[TrialResult]:
    return [trial for trial in trials if trial.state.usable and trial.value is not None]


def _missing(store: Store, name: str) -> StudySummary:
    """The error for a study that is gone."""
    store.study(name)  # names the nearest
    raise NoResultError(f"The study '{name}' has just been deleted.", "See: fesearch study list")
