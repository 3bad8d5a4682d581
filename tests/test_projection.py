"""Optuna's tables may fail, and the database may be restarted: the search goes on."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from driven import check_optuna_agrees
from optuna.storages import RDBStorage
from searched import DATA, SMALL_FOREST, save_data
from servers import restart

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.record import Report, TrialResult, TrialSpec, TrialState
from fesearch.search import projection, start
from fesearch.search.core import Core
from fesearch.search.mirror import Mirror
from fesearch.search.projection import Projection
from fesearch.store import filesystem
from fesearch.store.results import Store
from fesearch.store.snapshot import snapshot_of
from fesearch.store.types import StudyState
from fesearch.study import Study


class Listener:
    """A watcher that keeps what is noted, and does something at a report."""

    def __init__(self, at: int = -1, do: Any = None) -> None:
        self.at, self.do, self.count = at, do, 0
        self.notes: list[str] = []

    def opened(self, core: Core, results: Sequence[TrialResult]) -> None:
        """Nothing to note."""

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """Nothing to note."""

    def reported(self, number: int, report: Report) -> None:
        self.count += 1
        if self.count == self.at:
            self.do()

    def ended(self, result: TrialResult) -> None:
        """Nothing to note."""

    def retried(self, number: int, reason: str) -> None:
        """Nothing to note."""

    def noted(self, line: str) -> None:
        self.notes.append(line)


class Frail:
    """A mirror that fails when it is told to."""

    def __init__(self) -> None:
        self.fails = False
        self.calls: list[str] = []

    def finish(self, *_: object) -> None:
        if self.fails:
            raise OSError("disk I/O error")
        self.calls.append("one")

    def reports(self, reports: Sequence[object]) -> None:
        for _ in reports:
            self.finish()

    begins = reports

    def halt(self, numbers: Sequence[int]) -> None:
        """Nothing is shown of it here."""

    def close(self) -> None:
        """There is nothing to let go of."""


@pytest.fixture
def forests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of five small forests, one after the other."""
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    save_data()
    space = {**SMALL_FOREST, "max_depth": [2, 4, 6, 8, 10]}
    return Study(
        name="forests",
        family="random_forest",
        data=DATA,
        trials=5,
        preset="full",
        space=space,
        pruner="none",
        runner="inline",
    )


def test_a_failure_is_said_once_and_what_it_missed_is_written_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(projection.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(projection, "SECONDS_BETWEEN_WRITES", 0.0)
    mirrors = [Frail(), Frail()]
    given, said = iter(mirrors), []
    projected = Projection(lambda: next(given), said.append)  # type: ignore[arg-type, return-value]
    projected.begin(0, "irnet", {})
    mirrors[0].fails = True
    for _ in range(3):
        projected.report(0, 1, 0.5)
    now[0] += 31
    projected.report(0, 2, 0.4)  # the reconciliation writes it
    projected.report(0, 3, 0.3)
    assert [len(mirror.calls) for mirror in mirrors] == [1, 1]
    assert said == [
        "Optuna's tables cannot be written (OSError: disk I/O error); the search goes on.",
        "Optuna's tables can be written again and are whole.",
    ]


def test_a_failure_near_the_end_is_made_good_at_the_end() -> None:
    mirrors = [Frail(), Frail()]
    given, said = iter(mirrors), []
    projected = Projection(lambda: next(given), said.append)  # type: ignore[arg-type, return-value]
    mirrors[0].fails = True
    projected.report(0, 1, 0.5)
    projected.settle()  # sooner than another attempt is made
    assert said[-1] == "Optuna's tables can be written again and are whole."
    projected.settle()
    assert next(given, None) is None


def test_a_busy_search_writes_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(projection.time, "monotonic", lambda: now[0])
    mirror = Frail()
    projected = Projection(lambda: mirror, pytest.fail)  # type: ignore[arg-type, return-value]
    projected.begin(0, "irnet", {})
    assert len(mirror.calls) == 1
    for resource in range(1, 10):
        projected.report(0, resource, 0.5)
    assert len(mirror.calls) == 1
    now[0] += projection.SECONDS_BETWEEN_WRITES
    projected.report(0, 10, 0.5)
    assert len(mirror.calls) == 11
    projected.report(0, 11, 0.5)
    projected.write()  # as the heartbeat does
    assert len(mirror.calls) == 12


def test_a_failure_at_the_end_itself_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "SECONDS_BETWEEN_WRITES", 1000.0)
    mirrors = [Frail(), Frail()]
    given, said = iter(mirrors), []
    projected = Projection(lambda: next(given), said.append)  # type: ignore[arg-type, return-value]
    projected.begin(0, "irnet", {})
    projected.report(0, 1, 0.5)
    mirrors[0].fails = True
    projected.settle()
    assert said[-1] == "Optuna's tables can be written again and are whole."
    assert next(given, None) is None


def test_a_thread_does_not_wait_for_another_that_writes() -> None:
    mirror = Frail()
    projected = Projection(lambda: mirror, pytest.fail)  # type: ignore[arg-type, return-value]
    projected.begin(0, "irnet", {})
    projected.report(0, 1, 0.5)
    with projected._lock:
        projected.write(wait=False)
    assert len(mirror.calls) == 1
    projected.write()
    assert len(mirror.calls) == 2


def test_what_is_wrong_from_the_beginning_is_raised() -> None:
    def taken() -> Mirror:
        raise InputError("The name is taken.", "Choose another.")

    with pytest.raises(InputError, match="The name is taken"):
        Projection(taken, pytest.fail)


def test_a_search_goes_on_without_optunas_tables(
    forests: Study, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "SECONDS_BETWEEN_TRIALS", 0.0)
    monkeypatch.setattr(projection, "SECONDS_BETWEEN_WRITES", 0.0)
    reports, count = Mirror.reports, [0]

    def failing(self: Mirror, *words: Any) -> None:
        count[0] += isinstance(self.storage, RDBStorage)  # not the sampler's own
        if isinstance(self.storage, RDBStorage) and 2 <= count[0] <= 4:
            raise OSError("disk I/O error")
        reports(self, *words)

    monkeypatch.setattr(Mirror, "reports", failing)
    listener = Listener()
    outcome = start.start(forests, sqlite_url, watchers=[listener])
    assert {result.state for result in outcome.results} == {TrialState.COMPLETE}
    assert len(outcome.results) == 5
    assert listener.notes[0].startswith("Optuna's tables cannot be written")
    assert listener.notes[-1] == "Optuna's tables can be written again and are whole."
    check_optuna_agrees(sqlite_url, "forests")


def test_a_study_outlasts_a_restart_of_postgresql(
    forests: Study, postgresql_server: Any, postgresql_url: str
) -> None:
    listener = Listener(at=3, do=lambda: restart(postgresql_server))
    outcome = start.start(forests, postgresql_url, watchers=[listener])
    assert [result.state for result in outcome.results] == [TrialState.COMPLETE] * 5
    assert outcome.row.state is StudyState.COMPLETE
    with Store.open(postgresql_url) as store:
        row = store.study("forests")
        assert not store.driven(row)
        sequences = [report.sequence for report in store.reports(row)]
        assert sequences == sorted(set(sequences))
        step = FAMILIES.get("random_forest").resource.step
        assert len(sequences) == sum(result.resource // step for result in outcome.results)
    start.resume("forests", postgresql_url)  # reconciles
    check_optuna_agrees(postgresql_url, "forests")


def test_the_end_of_a_study_on_a_network_file_system_is_published(
    forests: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/home {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    file = tmp_path / "studies.db"
    outcome = start.start(forests, f"sqlite:///{file}")
    shutil.copy(snapshot_of(file), tmp_path / "elsewhere.db")
    with Store.open(f"sqlite:///{tmp_path}/elsewhere.db") as published:
        row = published.study("forests")
        assert published.trials(row) == list(outcome.results)
        assert not published.driven(row)
    check_optuna_agrees(f"sqlite:///{tmp_path}/elsewhere.db", "forests")
