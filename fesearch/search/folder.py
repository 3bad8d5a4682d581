"""Where the trials of a study leave files, and which of them are kept."""

import os
import secrets
import shutil
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from fesearch.errors import InputError
from fesearch.front import Objective, front
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


def joined_folder(row: StudyRow, number: int, seed: int) -> Path:
    """Where the weights of its config are, trained on training and validation part and scored."""
    return trial_folder(row, number) / f"joined-{seed}"


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


class _Sizes:
    """Bytes of all files of a study, as a sum that is renewed a trial at a time."""

    def __init__(self, folder: Path) -> None:
        self.total = 0
        self._folder = folder
        self._of_trials: dict[int, int] = {}

    def count(self) -> None:
        """Look at every file."""
        self.total, self._of_trials = size_of(self._folder), {}
        for path in self._folder.glob("[0-9]*"):
            self._of_trials[int(path.name)] = size_of(path)

    def renew(self, number: int) -> None:
        """Look at the files of one trial."""
        before = self._of_trials.get(number, 0)
        self._of_trials[number] = size_of(folder_of(self._folder, number))
        self.total += self._of_trials[number] - before


class Keeper:
    """Removes the weights and ends of all but the best trials; a watcher of the core.

    Args:
        folder: of the study.
        keep: number of trials whose weights and ends stay.
        direction: of their values.
        objectives: what counts beside these, where the trials that no other one beats in all stay
            too; see ``front``.
        needed: numbers of the trials that others wait to go on from; their ends stay, too.
        disk_limit: bytes that all files of the study may take, but for those that Ray has while it
            runs; fewer trials stay where these are too large, but the best always does. All are
            counted at the beginning, then those of a trial when it or another ends.
    """

    def __init__(
        self,
        folder: Path,
        keep: int,
        direction: Direction,
        needed: Callable[[], Collection[int | None]] = frozenset,
        disk_limit: int | None = None,
        objectives: Sequence[Objective] = (),
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._direction, self._objectives = direction, objectives
        self._front: list[TrialResult] = []
        self._needed = needed
        self._disk_limit = disk_limit
        self._sizes = _Sizes(folder)
        self._running: set[int] = set()
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._best: list[tuple[float, int]] = []
        self._going_on: dict[int, int] = {}

    def opened(self, core: object, results: Iterable[TrialResult]) -> None:
        """Take up the trials that have ended before."""
        results = list(results)
        self._running.update(one.number for one in results if not one.state.finished)
        for result in results:
            if result.parent is not None and not result.state.finished:
                self._going_on[result.number] = result.parent
        for result in results:
            if result.state.finished:
                self._remove_checkpoints(result.number)
                self._count(result)
        self._fall_behind()
        kept = {number for _, number in self._best}
        self._remove([r.number for r in results if r.state.finished and r.number not in kept])
        if self._disk_limit is not None:
            self._sizes.count()
            self._trim(self._disk_limit)

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """The end that a trial goes on from stays until it has ended."""
        self._running.add(spec.number)
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
            behind = self._fall_behind()
        parent = self._going_on.pop(result.number, None)
        parents = [] if parent is None else [parent]
        self._remove(behind, parents)
        self._running.discard(result.number)
        if self._disk_limit is not None:
            for number in {result.number, *behind, *parents, *self._running}:
                self._sizes.renew(number)
            self._trim(self._disk_limit)

    def _count(self, result: TrialResult) -> bool:
        """Put a trial among the best, wherever it stands; whether it has a value."""
        if result.value is None or not result.state.usable:
            return False
        insort(self._best, (self._sign * result.value, result.number))
        if self._objectives:
            self._front = front([*self._front, result], self._objectives, self._direction)
        return True

    def _fall_behind(self) -> list[int]:
        """Let go of those that are neither among the best nor on the front: their numbers."""
        on_front = {one.number for one in self._front}
        behind = [pair for pair in self._best[self._keep :] if pair[1] not in on_front]
        self._best = [pair for pair in self._best if pair not in behind]
        return [number for _, number in behind]

    def _remove_checkpoints(self, number: int) -> None:
        """And what a worker that was killed has left half written."""
        folder = folder_of(self._folder, number)
        for pattern in (f"*{CHECKPOINT}*", f".{END}.*", f"{MODEL}/.*"):
            for path in folder.glob(pattern):
                _unlink(path)

    def _trim(self, limit: int) -> None:
        """Remove the worst of those that are kept until the study has room, but for the best."""
        while len(self._best) > 1 and self._sizes.total > limit:
            _, worst = self._best.pop()
            self._remove([worst])
            self._sizes.renew(worst)

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
