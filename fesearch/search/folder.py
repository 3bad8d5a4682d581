"""Where the trials of a study leave files, and which of them are kept."""

import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from fesearch.metrics import Direction
from fesearch.paths import artifacts_dir
from fesearch.record import TrialResult
from fesearch.search.worker import CHECKPOINT, LOG, MODEL
from fesearch.store.types import StudyRow


def new_folder(name: str) -> str:
    """A folder name for a new study; studies of one name in two databases do not share one."""
    return f"{name}-{secrets.token_hex(4)}"


def identity(row: StudyRow) -> str:
    """What tells a study from all others, those of its name deleted or elsewhere among them."""
    return str(row.definition["folder"])


def study_folder(row: StudyRow) -> Path:
    """The folder of a study, among the artifacts."""
    return (artifacts_dir() / "studies" / identity(row)).absolute()


def trial_folder(row: StudyRow, number: int) -> Path:
    """The folder of one trial."""
    return study_folder(row) / f"{number:06d}"


def model_folder(row: StudyRow, number: int) -> Path:
    """Where a trial's best weights are, as long as they are kept."""
    return trial_folder(row, number) / MODEL


def log_file(row: StudyRow, number: int) -> Path:
    """Where a trial's log is."""
    return trial_folder(row, number) / LOG


class Keeper:
    """Removes the weights of all but the best trials as trials end; a watcher of the core.

    Args:
        folder: of the study.
        keep: number of trials whose weights stay.
        direction: of their values.
    """

    def __init__(self, folder: Path, keep: int, direction: Direction) -> None:
        self._folder = folder
        self._keep = keep
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._best: list[tuple[float, int]] = []

    def opened(self, core: object, results: Iterable[TrialResult]) -> None:
        """Take up the trials that have ended before."""
        for result in results:
            if result.state.finished:
                self.ended(result)

    def began(self, spec: object, resumed: bool) -> None:
        """Nothing to remove."""

    def reported(self, number: int, report: object) -> None:
        """Nothing to remove."""

    def noted(self, line: str) -> None:
        """Nothing to remove."""

    def ended(self, result: TrialResult) -> None:
        """A trial needs no checkpoint any more, and its weights only if it is among the best."""
        for path in (self._folder / f"{result.number:06d}").glob(f"*{CHECKPOINT}*"):
            path.unlink()  # a worker that was killed may have left one half written, too
        if result.value is None or not result.state.usable:
            self._remove(result.number)
            return
        self._best.append((self._sign * result.value, result.number))
        self._best.sort()
        while len(self._best) > self._keep:
            self._remove(self._best.pop()[1])

    def _remove(self, number: int) -> None:
        shutil.rmtree(self._folder / f"{number:06d}" / MODEL, ignore_errors=True)
