"""Where the trials of a study leave files, and which of them are kept."""

import os
import secrets
import shutil
from bisect import insort
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from fesearch.errors import InputError
from fesearch.metrics import Direction
from fesearch.paths import studies_dir
from fesearch.record import TrialResult, TrialSpec
from fesearch.search.checkpoint import CHECKPOINT, END, folder_of
from fesearch.search.worker import LOG, MODEL
from fesearch.store.types import StudyRow

FOLDER, BORROWED = "folder", "copied"
"""Of a study's definition: the name of its folder; of one that an older fesearch copied, that the
folder is another study's, in another database."""
SCRATCH = "ray-"
"""How a folder for Ray's own files begins; each driver has one of its own."""


def new_folder(name: str) -> str:
    """A folder name for a new study; studies of one name in two databases do not share one."""
    return f"{name}-{secrets.token_hex(4)}"


def identity(row: StudyRow) -> str:
    """What tells a study from all others, those of its name deleted or elsewhere among them."""
    return str(row.definition[FOLDER])


def study_folder(row: StudyRow) -> Path:
    """The folder of a study."""
    return studies_dir() / identity(row)


def hidden_folder(identity: str) -> Path:
    """Where the folder of a study is until the study is in a database."""
    return studies_dir() / f".{identity}"


def remove_folder(row: StudyRow) -> None:
    """Remove all files of a study.

    Raises:
        InputError: some cannot be removed.
    """
    folder = study_folder(row)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass  # it has left none
    except OSError as error:
        raise InputError(
            f"The files of '{row.name}' in {folder} cannot be removed: {error.strerror}.",
            f"Remove what is in the way, then type: fesearch study delete {row.name}",
        ) from error


def trial_folder(row: StudyRow, number: int) -> Path:
    """The folder of one trial."""
    return folder_of(study_folder(row), number)


def model_folder(row: StudyRow, number: int) -> Path:
    """Where a trial's best weights are, as long as they are kept."""
    return trial_folder(row, number) / MODEL


def end_file(row: StudyRow, number: int) -> Path:
    """Where a trial's end is, as long as it is kept for another trial to go on from."""
    return trial_folder(row, number) / END


def log_file(row: StudyRow, number: int) -> Path:
    """Where a trial's log is."""
    return trial_folder(row, number) / LOG


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; those that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).lstat().st_size
    return total


class Keeper:
    """Removes the weights and ends of all but the best trials; a watcher of the core.

    Args:
        folder: of the study.
        keep: number of trials whose weights and ends stay.
        direction: of their values.
        needed: numbers of the trials that others wait to go on from; their ends stay, too.
        disk_limit: bytes that all files of the study may take; fewer than ``keep`` trials stay
            where these are too large, but the best always does.
    """

    def __init__(
        self,
        folder: Path,
        keep: int,
        direction: Direction,
        needed: Callable[[], Collection[int | None]] = frozenset,
        disk_limit: int | None = None,
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._needed = needed
        self._disk_limit = disk_limit
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._best: list[tuple[float, int]] = []
        self._going_on: dict[int, int] = {}

    def opened(self, core: object, results: Iterable[TrialResult]) -> None:
        """Take up the trials that have ended before."""
        results = list(results)
        for result in results:
            if result.parent is not None and not result.state.finished:
                self._going_on[result.number] = result.parent
        for result in results:
            if result.state.finished:
                self._remove_checkpoints(result.number)
                self._count(result)
        del self._best[self._keep :]
        kept = {number for _, number in self._best}
        self._remove([r.number for r in results if r.state.finished and r.number not in kept])
        self._trim()

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """The end that a trial goes on from stays until it has ended."""
        if spec.parent is not None:
            self._going_on[spec.number] = spec.parent

    def reported(self, number: int, report: object) -> None:
        """Nothing to remove."""

    def noted(self, line: str) -> None:
        """Nothing to remove."""

    def ended(self, result: TrialResult) -> None:
        """A trial needs no checkpoint any more, and its weights only if it is among the best."""
        self._remove_checkpoints(result.number)
        behind = [result.number]
        if self._count(result):
            behind = [number for _, number in self._best[self._keep :]]
            del self._best[self._keep :]
        parent = self._going_on.pop(result.number, None)
        self._remove(behind, [] if parent is None else [parent])
        self._trim()

    def _count(self, result: TrialResult) -> bool:
        """Put a trial among the best, wherever it stands; whether it has a value."""
        if result.value is None or not result.state.usable:
            return False
        insort(self._best, (self._sign * result.value, result.number))
        return True

    def _remove_checkpoints(self, number: int) -> None:
        for path in folder_of(self._folder, number).glob(f"*{CHECKPOINT}*"):
            _unlink(path)  # a worker that was killed may have left one half written, too

    def _trim(self) -> None:
        """Remove the worst of those that are kept until the study has room, but for the best."""
        while len(self._best) > 1 and self._is_full():
            self._remove([self._best.pop()[1]])

    def _is_full(self) -> bool:
        return self._disk_limit is not None and size_of(self._folder) > self._disk_limit

    def _remove(self, behind: Collection[int], parents: Iterable[int] = ()) -> None:
        """Remove what is kept of trials that have fallen behind, and the ends of parents."""
        for number in behind:
            shutil.rmtree(folder_of(self._folder, number) / MODEL, ignore_errors=True)
        self._remove_ends([*behind, *parents])

    def _remove_ends(self, numbers: Iterable[int]) -> None:
        """Remove those ends that are not of the best, nor needed by trials that go on."""
        best = {number for _, number in self._best}
        for number in numbers:
            end = folder_of(self._folder, number) / END
            if number in best or number in self._going_on.values() or not end.exists():
                continue
            if number not in self._needed():
                _unlink(end)


def _unlink(path: Path) -> None:
    """Remove a file; one that a file system will not let go of costs room, and no search."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
