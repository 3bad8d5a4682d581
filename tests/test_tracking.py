"""Searches followed elsewhere: files of each service read back, and failures that stop nothing."""

import importlib
import os
import struct
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest
from toycore import Book, core_of, report_of

from fesearch import tracker as tracker_module
from fesearch.errors import InputError
from fesearch.record import Decision, TrialState
from fesearch.search import tracking
from fesearch.search.tracking import Tracking, tracked
from fesearch.study import Study
from fesearch.tracker import TRACKERS, Service, Subject


def installed(module: str, extra: str) -> ModuleType:
    """A tracker's library; without it a test skips, except where all of them must run."""
    if os.environ.get("CI") == "true":
        return importlib.import_module(module)
    return pytest.importorskip(module, reason=f"pip install 'fesearch[{extra}]'")


def subject(folder: Path) -> Subject:
    return Subject("toy-study", "toy-study-1a2b", "val_mae", "eV/atom", "epochs", folder)


def search(watchers, **changes):
    """Trials one after another; the second fails by a fault of the machine."""
    core, book = core_of(Book(), **changes), None
    core._watchers = tuple(watchers)
    core.restore([], [])
    book = core._ledger
    while (spec := core.suggest()) is not None:
        if spec.number == 1:
            core.fail(1, "MemoryError: no message")
            continue
        for epoch in spec.steps:
            if core.report(spec.number, report_of(spec, epoch)) is Decision.STOP:
                break
    return book


def events(folder: Path) -> list:
    """Every event of a folder's TensorBoard files: length, check, data, check, as TFRecord has."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def test_tensorboard_has_a_run_for_each_trial(tmp_path):
    with tracked(["tensorboard"], subject(tmp_path)) as watchers:
        book = search(watchers, trials=4)
    for number, result in book.results.items():
        folder = tmp_path / "tensorboard" / f"{number:06d}"
        values = [v for event in events(folder) for v in event.summary.value]
        best = [v.simple_value for v in values if v.tag == "best_val_mae"]
        assert best == pytest.approx([r[2] for r in book.reports if r[0] == number])
        said = [v.tensor.string_val[0].decode() for v in values if v.tag == "end/text_summary"]
        assert said == [f"{result.state.value} {result.reason}".strip()]
        assert bool(list(folder.glob("end/events.*"))) is (result.value is not None)
    assert book.results[1].state is TrialState.FAIL


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy within mlflow
def test_mlflow_has_a_run_for_each_trial(tmp_path, monkeypatch):
    mlflow = installed("mlflow.tracking", "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    with tracked(["mlflow"], subject(tmp_path)) as watchers:
        book = search(watchers, trials=4)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("toy-study")
    runs = {
        int(r.data.tags["fesearch.trial"]): r
        for r in client.search_runs([experiment.experiment_id])
    }
    assert sorted(runs) == sorted(book.results)
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    for number, run in runs.items():
        result = book.results[number]
        assert run.info.status == status[result.state.value]
        assert run.data.tags["state"] == result.state.value
        assert run.data.tags.get("reason", "") == result.reason
        if result.config:
            assert run.data.params["kind"] == result.config["kind"]
            assert float(run.data.params["x"]) == result.config["x"]
        history = client.get_metric_history(run.info.run_id, "best_val_mae")
        assert [(m.step, m.value) for m in history] == [
            (r[1], pytest.approx(r[2])) for r in book.reports if r[0] == number
        ]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_goes_on_with_the_run_of_an_interrupted_trial(tmp_path, monkeypatch):
    mlflow = installed("mlflow.tracking", "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    spec = core_of(Book()).suggest()
    for epochs in ((1, 2), (3,)):
        followed = TRACKERS.get("mlflow").open(subject(tmp_path))
        followed.began(spec)
        for epoch in epochs:
            followed.reported(0, report_of(spec, epoch))
    (run,) = mlflow.MlflowClient().search_runs(["1"])
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "val_mae")
    assert [one.step for one in history] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_leaves_a_run_for_each_trial_without_a_network(tmp_path, monkeypatch):
    installed("wandb", "wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with tracked(["wandb"], subject(tmp_path)) as watchers:
        book = search(watchers, trials=3)
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == len(book.results) == 3
    content = b"".join(path.read_bytes() for path in files)
    assert b"best_val_mae" in content
    assert b"MemoryError: no message" in content


class Gone:
    """A tracker whose server answers for the first event alone."""

    def __init__(self, subject):
        self.told = 0

    def began(self, spec):
        self.told += 1
        if self.told > 1:
            raise ConnectionError("the server is gone\nand more")

    def reported(self, number, report): ...
    def ended(self, result): ...
    def close(self): ...


def test_a_service_that_fails_is_noted_once_and_stops_nothing(tmp_path):
    notes = []

    class Listener:
        def noted(self, line):
            notes.append(line)

        def opened(self, core, results): ...
        def began(self, spec, resumed): ...
        def reported(self, number, report): ...
        def ended(self, result): ...

    gone = Tracking(Service("gone", "Gone", "json", Gone), subject(tmp_path))
    book = search([gone, Listener()], trials=6)
    gone.close()
    assert len(book.results) == 6
    assert notes == ["Gone is told no more: ConnectionError: the server is gone"]
    waiting = gone._events.qsize()
    search([gone], trials=6)
    assert gone._events.qsize() == waiting  # nobody would take them


def test_a_service_that_is_slow_holds_up_no_search_and_its_end_only_so_long(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(tracking, "SECONDS_TO_CLOSE", 0.1)
    over = threading.Event()

    class Slow(Gone):
        def began(self, spec):
            over.wait(60)

    slow = Tracking(Service("slow", "Slow", "json", Slow), subject(tmp_path))
    began = time.monotonic()
    search([slow], trials=3)
    slow.close()
    assert time.monotonic() - began < 30
    assert caplog.messages == ["Slow has not taken all in 0 s; the store has."]
    over.set()


def test_a_package_that_is_missing_is_named_before_anything_starts(monkeypatch):
    lacking = Service("tensorboard", "TensorBoard", "no_such_package", Gone)
    monkeypatch.setattr(tracker_module.TRACKERS, "get", lambda name: lacking)
    with pytest.raises(InputError) as caught:
        tracking.check(["tensorboard"])
    assert (
        caught.value.message == "This needs the package 'no_such_package', which is not installed."
    )
    assert caught.value.hint == "Type: pip install 'fesearch[tensorboard]'"


def test_a_mistyped_service_is_refused():
    with pytest.raises(InputError) as caught:
        Study(name="a", family="irnet", track=["mlfow"]).check()
    assert caught.value.message == "There is no tracker 'mlfow'."
    assert caught.value.hint.startswith("Did you mean 'mlflow'?")
