"""Many independent pieces of work on Ray, each within a time limit.

A worker is a Ray actor, of one CPU core by default, that takes one piece after the other. It is
killed when its piece takes too long, and replaced when it is gone, so that neither a piece that
never ends nor one that takes its process down costs more than itself.
"""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

import ray

from fesearch import raysession
from fesearch.errors import FesearchError

P = TypeVar("P")
R = TypeVar("R")

#: Called in a worker, once, for the function that does a piece: the place for slow imports.
Make: TypeAlias = Callable[..., Callable[[P], R]]

SECONDS_TO_START = 300.0  # of a worker: Python and its imports, from a slow network disk perhaps
_LONGEST_WAIT = 3600.0  # for one piece to end; then its turn comes again
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Cause(Enum):
    """Why there is no result."""

    ERROR = "error"  # the work raised an exception
    TIME = "time"  # it took longer than it may
    LOST = "lost"  # its worker died: by a crash, for want of memory, with its machine


@dataclass(frozen=True)
class Failure:
    """A piece without a result, and why in one line."""

    cause: Cause
    reason: str


@dataclass(frozen=True)
class Needs:
    """What a worker needs, and where it is to be had.

    Attributes:
        cpus, gpus: of one worker, whose libraries compute with so many threads.
        address: of a running Ray cluster; None starts Ray here.
    """

    cpus: int = 1
    gpus: float = 0.0
    address: str | None = None


def run(
    make: Make[P, R],
    pieces: Sequence[P],
    report: Callable[[int, R | Failure], None],
    *,
    seconds: float,
    workers: int | None = None,
    needs: Needs = Needs(),
    given: Sequence[Any] = (),
) -> None:
    """Do all pieces, and report each by its place as soon as it is done.

    Ray that runs in this process is used and left running; else it is started for the time. What
    the work prints goes nowhere. Whatever ends this call, no worker is left behind.

    Args:
        make: a function that another process can import; what it returns stays in the worker.
        pieces: of work; they and their results must pickle.
        report: called here with (place, result or failure), in the order in which they end.
        seconds: that a piece may take, once its worker is ready; infinite without a limit.
        workers: at once; None takes all CPU cores. Of a busy cluster they may be fewer.
        given: what ``make`` is called with in each worker; arrays in it are one copy for all
            workers of a machine, to be read only.

    Raises:
        FesearchError: no worker starts.
    """
    if not pieces:
        return
    with _ray(workers, needs) as cores:
        crew = _Crew(make, pieces, seconds, needs, given)
        try:
            for _ in range(min(workers or cores // needs.cpus, len(pieces))):
                crew.hire()
            for place, result in crew.results():
                report(place, result)
        finally:
            crew.dismiss()


@contextmanager
def _ray(workers: int | None, needs: Needs) -> Iterator[int]:
    """The Ray that runs in this process, or one for the time; yields the cores it has."""
    if ray.is_initialized():
        yield raysession.cores()
        return
    # At Ray's own niceness other work would take the time that a piece is given.
    cpus = None if workers is None else workers * needs.cpus
    gpus = math.ceil((workers or 1) * needs.gpus)
    with raysession.session(cpus, gpus, needs.address, niceness=0) as cores:
        yield cores


class _Worker:
    """One process, for one piece after the other."""

    def start(self, make: Make[Any, Any], *given: Any) -> str | None:
        """Make ready for work, and say why that failed if it did."""
        _print_nowhere()
        try:
            self._do = make(*given)
        except Exception as error:  # noqa: BLE001  of whatever is imported
            return _in_a_line(error)
        return None

    def do(self, piece: Any) -> Any:
        """The result of a piece, or its failure."""
        try:
            return self._do(piece)
        except Exception as error:  # noqa: BLE001  whatever it is, the next piece may do
            return Failure(Cause.ERROR, _in_a_line(error))


_ACTOR: Any = ray.remote(max_restarts=0)(_Worker)


def _print_nowhere() -> None:
    """A Ray that others started may show what its workers print, and the warnings of libraries."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _in_a_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@dataclass(frozen=True)
class _Task:
    """What a worker is at: the piece of a place, or its own start."""

    worker: Any
    place: int | None
    deadline: float  # by time.monotonic()


class _Crew(Generic[P, R]):
    """The workers of one run, what each is at, and the pieces that wait."""

    def __init__(
        self,
        make: Make[P, R],
        pieces: Sequence[P],
        seconds: float,
        needs: Needs,
        given: Sequence[Any],
    ) -> None:
        self._make, self._given = make, [ray.put(one) for one in given]
        self._seconds = seconds
        self._actor = _ACTOR.options(
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            runtime_env={"env_vars": dict.fromkeys(_THREADS, str(needs.cpus))},
        )
        self._waiting = deque(enumerate(pieces))
        self._tasks: dict[Any, _Task] = {}  # by the reference to what will come of it

    def hire(self) -> None:
        """Start one more worker."""
        worker = self._actor.remote()
        deadline = time.monotonic() + SECONDS_TO_START
        self._tasks[worker.start.remote(self._make, *self._given)] = _Task(worker, None, deadline)

    def dismiss(self) -> None:
        """Kill all workers, whatever they are at."""
        for task in self._tasks.values():
            ray.kill(task.worker)
        self._tasks.clear()

    def results(self) -> Iterator[tuple[int, R | Failure]]:
        """Every place with what came of its piece, as they end."""
        while self._waiting or any(task.place is not None for task in self._tasks.values()):
            for reference in self._ended():
                task = self._tasks.pop(reference)
                if task.place is None:
                    self._started(task.worker, _fetched(reference))
                    continue
                result = _fetched(reference)
                if isinstance(result, Failure) and result.cause is Cause.LOST:
                    self._replace(task.worker)
                else:
                    self._employ(task.worker)
                yield task.place, result
            for reference in self._overdue():
                task = self._tasks.pop(reference)
                if task.place is None:
                    self._started(task.worker, f"it took longer than {SECONDS_TO_START:g} s")
                    continue
                self._replace(task.worker)
                yield task.place, Failure(Cause.TIME, f"took longer than {self._seconds:g} s")

    def _ended(self) -> list[Any]:
        """References to what has ended, once anything has or is overdue."""
        references = list(self._tasks)
        patience = min(task.deadline for task in self._tasks.values()) - time.monotonic()
        ray.wait(references, num_returns=1, timeout=max(0.0, min(patience, _LONGEST_WAIT)))
        ended, _ = ray.wait(references, num_returns=len(references), timeout=0)
        return list(ended)

    def _overdue(self) -> list[Any]:
        """References to what has not ended in its time."""
        now = time.monotonic()
        return [reference for reference, task in self._tasks.items() if task.deadline <= now]

    def _started(self, worker: Any, failure: Failure | str | None) -> None:
        """Employ a worker that is ready; do without one that is not, as long as there are others.

        Raises:
            FesearchError: there are none.
        """
        if failure is None:
            self._employ(worker)
            return
        ray.kill(worker)
        if not self._tasks:
            reason = failure.reason if isinstance(failure, Failure) else failure
            raise FesearchError(
                f"No worker could start: {reason}.",
                "Look whether the machine, or the Ray cluster, has a free core and memory.",
            )

    def _employ(self, worker: Any) -> None:
        """Give an idle worker the next piece; without any it has done its part."""
        if not self._waiting:
            ray.kill(worker)
            return
        place, piece = self._waiting.popleft()
        deadline = time.monotonic() + self._seconds
        self._tasks[worker.do.remote(piece)] = _Task(worker, place, deadline)

    def _replace(self, worker: Any) -> None:
        ray.kill(worker)
        if self._waiting:
            self.hire()


def _fetched(reference: Any) -> Any:
    """What came of a task, in the words of this module where Ray failed."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # what went in or came out does not pickle
        return Failure(Cause.ERROR, str(error).strip().splitlines()[-1])
    except ray.exceptions.RayError as error:
        return Failure(Cause.LOST, f"its worker was lost: {type(error).__name__}")
