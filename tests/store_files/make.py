"""Make the database of the present revision that later versions must be able to open.

Run once for each new revision: ``python tests/store_files/make.py``. The file is kept for ever.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from fesearch.record import Decision, Fault, Report, ResultKey, TrialResult, TrialSpec, TrialState
from fesearch.store.results import Store
from fesearch.store.types import Division, Lease
from fesearch.store.upgrade import REVISION

KEY = ResultKey("data1", "energy", "mae", "split1")
CONFIG = {"depth": 17, "rate": 0.001, "norm": "batch"}


def make(path: Path) -> None:
    """A study with a trial of each state, and a look at the test part."""
    with Store.open(f"sqlite:///{path}") as store:
        study = store.create_study(
            "kept",
            {"families": ["irnet"]},
            seed=1,
            key=KEY,
            unit="eV/atom",
            direction="minimize",
            division=Division("data1", "split1", "random:seed=0", 81, 9, 10, "rows1"),
            features="digest",
            versions={"torch": "2.13.0"},
        )
        lease = store.acquire(study)
        add_trial(store, lease, 0, TrialState.COMPLETE, 0.1, 0.2)
        add_trial(store, lease, 1, TrialState.PRUNED, 0.3, float("inf"))
        add_trial(store, lease, 2, TrialState.FAIL, None, float("nan"))
        add_trial(store, lease, 3, TrialState.RUNNING, 0.4, 0.4)
        store.release(lease)
        store.add_look(study, 0, "split1", {"mae": 0.15}, 10)
    with closing(sqlite3.connect(path)) as connection:  # one small file to keep
        connection.executescript("PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;")


def add_trial(
    store: Store, lease: Lease, number: int, state: TrialState, best: float | None, raw: float
) -> None:
    """A trial that reported once and, unless it is RUNNING, ended on that."""
    spec = TrialSpec(number, "irnet", CONFIG, number, (1, 2))
    scores = {"rmse": 2 * best} if best else {}
    report = Report(0, 1, raw, best, 1 if best else None, 2.5, 1000, scores=scores)
    end = TrialResult(
        number=number,
        family=spec.family,
        config=spec.config,
        seed=spec.seed,
        state=state,
        value=best,
        resource=1,
        best_resource=report.best_resource,
        seconds=report.seconds,
        parameters=report.parameters,
        scores=report.scores,
        fault=Fault.DIVERGED if state is TrialState.FAIL else None,
    )
    store.begin_trial(lease, spec, "epochs")
    if state.finished:
        store.report(lease, number, report, Decision.STOP, end)
    else:
        store.report(lease, number, report, Decision.CONTINUE)


if __name__ == "__main__":
    make(Path(__file__).with_name(f"revision_{REVISION}.db"))
