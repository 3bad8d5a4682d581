"""How long an epoch takes here: some of a study's rows, trained in another process.

There a step that takes too long can be ended, whatever it does; and this process need not load what
its workers will. It is no child of ``multiprocessing``, which would run the program that has called
for a search once more.
"""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

import numpy as np

from fesearch.classical.affordable import some
from fesearch.errors import first_line
from fesearch.own import Source, run
from fesearch.record import TrialSpec
from fesearch.search.pace import UnmeasuredError
from fesearch.search.prepare import Prepared
from fesearch.search.threads import pin
from fesearch.seeds import derive
from fesearch.space import Config
from fesearch.split import Development
from fesearch.trial import run as train

ROWS, ROWS_OF_GPU = 2000, 20_000
"""Training rows of a measurement; on a GPU, where an epoch of a few batches is all beginning."""
MOST_NUMBERS = 50_000_000
"""Of these rows, which are written to a disk that may be a part of the memory."""
TO_BEGIN = 60.0
"""Seconds until the first network may be built: what it needs is loaded from some slow disk."""
PATIENCE = 20.0
"""Seconds after which a measurement is ended: it is known to take as long, then, and no more."""
IN_ALL = 90.0
"""Seconds after which no further one is begun."""
_STEPS = 6
"""At most, with the first one, which has in it what is done once; the fastest one counts."""
_FEWEST, _ENOUGH, _MOST = 3, 0.3, 5.0
"""Steps and seconds that are enough, since others have the cores at times; seconds that are."""
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from fesearch.search.stopwatch import answer; answer()"
)


class Stopwatch:
    """Measures configs of a study, one after the other, as its trials will be trained.

    A context: the other process is begun when it is first asked, and ended with it.

    Args:
        device: "cpu" or "cuda".
        seconds: that the study has: measurements take no more than a small part of them.
    """

    def __init__(self, prepared: Prepared, device: str, seconds: float = math.inf) -> None:
        self._prepared, self._device = prepared, device
        self._to_begin = min(TO_BEGIN, seconds / 3)
        self._patience = min(PATIENCE, max(seconds / 10, 2 * _MOST))
        self._in_all = min(IN_ALL, seconds / 5)
        self._child: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()

    def __enter__(self) -> "Stopwatch":
        self._folder = tempfile.TemporaryDirectory(prefix="fesearch-", ignore_cleanup_errors=True)
        self._until = time.monotonic() + self._in_all
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def seconds(self, config: Config) -> float:
        """Of an epoch on all training rows, with its validation; no more than it was waited for.

        Raises:
            UnmeasuredError: it cannot be trained there, the process died, or measurements have
                taken too long.
        """
        if time.monotonic() > self._until:
            raise UnmeasuredError(f"others have taken {self._in_all:g} s")
        development, step = self._prepared.development, self._prepared.family.resource.step
        most = ROWS_OF_GPU if self._device == "cuda" else ROWS
        most = min(most, max(2, MOST_NUMBERS // development.width))
        rows = min(len(development.train_y), most)
        if self._child is None:
            self._begin(thinned(development, rows))
        self._say(asdict(self._spec(config)))
        if self._answer(self._to_begin) is None:  # it is built
            self._end()  # what it says later is no answer to another question
            raise UnmeasuredError(f"the process has not built it in {self._to_begin:g} s")
        taken = self._answer(self._patience)
        if taken is None:
            taken = self._patience
            self._end()
        return taken / step * len(development.train_y) / rows

    def _spec(self, config: Config) -> TrialSpec:
        study, family = self._prepared.study, self._prepared.family
        return TrialSpec(
            number=0,
            family=family.name,
            config=dict(config),
            seed=derive(study.seed, "stopwatch"),
            steps=family.steps(config, _STEPS * family.resource.step),
            metric=self._prepared.metric.name,
            threads=study.cpus_per_trial,
            device=self._device,
        )

    def _begin(self, data: Development) -> None:
        file = Path(self._folder.name) / "rows.npz"
        np.savez(file, **{name: part for name, part in vars(data).items() if part is not None})
        path = [folder or str(Path.cwd()) for folder in sys.path if isinstance(folder, str)]
        self._child = subprocess.Popen(  # noqa: S603  this very Python, with the same packages
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,  # Ctrl-C is for this process, which ends that one
        )
        self._lines = Queue()
        reader = threading.Thread(target=_read, args=(self._child.stdout, self._lines), daemon=True)
        reader.start()
        sources = self._prepared.study.own_sources()
        own = [(str(source.path), source.text) for source in sources]
        self._say({"own": own, "rows": str(file), "threads": self._prepared.study.cpus_per_trial})

    def _say(self, message: dict[str, Any]) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{json.dumps(message)}\n")
            self._child.stdin.flush()
        except OSError:  # it is gone: there will be no answer either
            return

    def _answer(self, timeout: float) -> float | None:
        """What it says next; None where it says nothing for so long."""
        try:
            line = self._lines.get(timeout=timeout)
        except Empty:
            return None
        if not line:
            raise UnmeasuredError("the process died")
        try:
            said = json.loads(line)
            seconds = said.get("seconds")
        except (ValueError, AttributeError):  # what the start of Python printed, on some machines
            raise UnmeasuredError(f"the process said {line.rstrip()!r}") from None
        if seconds is None:
            raise UnmeasuredError(said.get("error"))
        return float(seconds)

    def _end(self) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        with suppress(ProcessLookupError):  # it leads a group: what it has begun goes with it
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            with suppress(OSError, ValueError):
                pipe.close()


def thinned(data: Development, rows: int) -> Development:
    """So many of the training rows, drawn evenly, and as large a part of the validation rows."""
    kept = some(len(data.train_y), rows)
    val = some(len(data.val_y), max(1, round(len(data.val_y) * rows / len(data.train_y))))
    return Development(
        data.train_x[kept],
        data.train_y[kept],
        data.val_x[val],
        data.val_y[val],
        None if data.folds is None else data.folds[kept],
    )


def _read(pipe: IO[str], lines: "Queue[str]") -> None:
    with suppress(OSError, ValueError):  # it was closed, since nobody waits any more
        for line in pipe:
            lines.put(line)
    lines.put("")


def answer() -> None:
    """Be the other process: a line of JSON for each question on stdin, and for each answer."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what families and libraries print is no answer
    asked = json.loads(sys.stdin.readline())
    questions: Queue[str] = Queue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    pin(asked["threads"])
    for path, text in asked["own"]:
        run(Source(Path(path), text))
    with np.load(asked["rows"], allow_pickle=False) as parts:
        data = Development(**parts)
    while True:
        spec = json.loads(questions.get())
        try:
            for seconds in _measured(TrialSpec(**{**spec, "steps": tuple(spec["steps"])}), data):
                print(json.dumps({"seconds": seconds}), file=out, flush=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a config may not be trainable
            print(json.dumps({"error": first_line(error)}), file=out, flush=True)


def _listen(questions: "Queue[str]") -> None:
    """Pass on what is asked; when nobody is left to ask, end, whatever is being measured."""
    for line in sys.stdin:
        questions.put(line)
    os._exit(0)


def _measured(spec: TrialSpec, data: Development) -> Iterator[float]:
    """Once it is built, no time at all; then the seconds of a step."""
    running = train([spec], data)
    yield 0.0
    times: list[float] = []
    before = 0.0
    for report in running:
        times.append(report.seconds - before)
        before = report.seconds
        if before >= (_ENOUGH if len(times) >= _FEWEST else _MOST):
            break
    yield min(times)
