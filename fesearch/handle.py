"""Studies of a store as objects: each method makes one call of the library, and nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fesearch import notebook
from fesearch.found import Handle
from fesearch.metrics import title_of
from fesearch.overviews import best_of, counts, in_brackets, line_of
from fesearch.paths import artifacts_at
from fesearch.record import TrialResult
from fesearch.store.results import Store
from fesearch.store.types import StudyRow

if TYPE_CHECKING:
    from fesearch.replay import Replayed
    from fesearch.search.enqueue import Enqueued
    from fesearch.search.extend import Extension
    from fesearch.search.more import Change
    from fesearch.search.portfolio import Looks
    from fesearch.search.roles import Watcher

_SHOWN = 5  # trials, or families, that a notebook shows


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
        from fesearch.search import standings

        return tuple(one.study.name for one in standings.members(self.name, self.url))

    @property
    def studies(self) -> tuple[StudyHandle, ...]:
        """The study of each family that was begun."""
        return tuple(StudyHandle(name, self.url, self.artifacts) for name in self.names)

    def resume(
        self,
        *,
        time_limit: str | None = None,
        take_over: bool = False,
        progress: bool = False,
        **place: Any,
    ) -> Self:
        """Go on with the families until their budget is spent; see ``StudyHandle.resume``."""
        from fesearch.duration import duration
        from fesearch.search import portfolio

        seconds = None if time_limit is None else duration(time_limit)
        with artifacts_at(self.artifacts):
            done = portfolio.go_on(
                self.name,
                self.url,
                looks(progress),
                seconds=seconds,
                take_over=take_over,
                place=place,
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


def _usable(trials: Sequence[TrialResult]) -> list[TrialResult]:
    return [trial for trial in trials if trial.state.usable and trial.value is not None]
