"""How long an epoch takes here: some of a study's rows, trained in another process.

There a step that takes too long can be ended, whatever it does; and this process need not load what
its workers will. It is no child of ``multiprocessing``, which would run the program that has called
for a search once more.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import IO, Any

import numpy as np

from fesearch.errors import first_line
from fesearch.own import Source, run
from fesearch.record import TrialSpec
from fesearch.search.prepare import Prepared
from fesearch.search.threads import pin
from fesearch.seeds import derive
from fesearch.space import Config
from fesearch.split import Development
from fesearch.trial import run as train

ROWS, ROWS_OF_GPU = 2000, 20_000
"""Training rows of a measurement; on a GPU, where an epoch of a few batches is all beginning."""
TO_BEGIN = 60.0
"""Seconds until the first network may be built: what it needs is loaded from some slow disk."""
PATIENCE = 20.0
"""Seconds after which a measurement is ended: it is known to take as long, then, and no more."""
_STEPS = 6
"""At most, with the first one, which has in it what is done once; the fastest one counts."""
_FEWEST, _ENOUGH, _MOST = 3, 0.3, 5.0
"""Steps and seconds that are enough, since others have the cores at times; seconds that are."""
_PROGRAM = "from fesearch.search.stopwatch import answer; answer()"


class UnmeasuredError(Exception):
    """A config cannot be trained, or not there; its trials will say why."""


class Stopwatch:
    """Measures configs of a study, one after the other, as its trials will be trained.

    A context: the other process is begun when it is first asked, and ended with it.

    Args:
        device: "cpu" or "cuda".
        seconds: that the study has: a measurement takes no more than a small part of them.
    """

    def __init__(self, prepared: Prepared, device: str, seconds: float = math.inf) -> None:
        self._prepared, self._device = prepared, device
        self._to_begin = min(TO_BEGIN, seconds / 3)
        self._patience = min(PATIENCE, seconds / 10)
        self._child: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()

    def __enter__(self) -> "Stopwatch":
        self._folder = tempfile.TemporaryDirectory(prefix="fesearch-", ignore_cleanup_errors=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._folder.cleanup()

    def seconds(self, config: Config) -> float:
        """Of an epoch on all training rows, with its validation; no more than it was waited for.

        Raises:
            UnmeasuredError: it cannot be trained there, or the process died.
        """
        development, family = self._prepared.development, self._prepared.family
        rows = min(len(development.train_y), ROWS_OF_GPU if self._device == "cuda" else ROWS)
        if self._child is None:
            self._begin(thinned(development, rows))
        steps = family.steps(config, _STEPS * family.resource.step)
        spec = TrialSpec(
            number=0,
            family=family.name,
            config=dict(config),
            seed=derive(self._prepared.study.seed, "stopwatch"),
            steps=steps,
            metric=self._prepared.metric.name,
            threads=self._prepared.study.cpus_per_trial,
            device=self._device,
        )
        self._say(asdict(spec))
        if self._answer(self._to_begin) is None:  # it is built
            raise UnmeasuredError(f"the process has not built it in {self._to_begin:g} s")
        taken = self._answer(self._patience)
        if taken is None:
            taken = self._patience
            self._end()
        return taken / family.resource.step * len(development.train_y) / rows

    def _begin(self, data: Development) -> None:
        file = Path(self._folder.name) / "rows.npz"
        np.savez(file, **{name: part for name, part in vars(data).items() if part is not None})
        path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
        self._child = subprocess.Popen(  # noqa: S603  this very Python, with the same packages
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
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
        said = json.loads(line) if line else {"error": "the process died"}
        if "error" in said:
            raise UnmeasuredError(said["error"])
        return float(said["seconds"])

    def _end(self) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            with suppress(OSError, ValueError):
                pipe.close()


def thinned(data: Development, rows: int) -> Development:
    """So many of the training rows, drawn evenly, and as large a part of the validation rows."""
    kept = _drawn(len(data.train_y), rows)
    val = _drawn(len(data.val_y), max(1, round(len(data.val_y) * rows / len(data.train_y))))
    return Development(
        data.train_x[kept],
        data.train_y[kept],
        data.val_x[val],
        data.val_y[val],
        None if data.folds is None else data.folds[kept],
    )


def _drawn(count: int, kept: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:kept])


def _read(pipe: IO[str], lines: "Queue[str]") -> None:
    with suppress(OSError, ValueError):  # it was closed, since nobody waits any more
        for line in pipe:
            lines.put(line)
    lines.put("")


def answer() -> None:
    """Be the other process: a line of JSON for each question on stdin, and for each answer."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # families of people's own may print
        asked = json.loads(sys.stdin.readline())
        pin(asked["threads"])
        for path, text in asked["own"]:
            run(Source(Path(path), text))
        with np.load(asked["rows"], allow_pickle=False) as parts:
            data = Development(**parts)
        for line in sys.stdin:
            spec = json.loads(line)
            try:
                for seconds in _measured(
                    TrialSpec(**{**spec, "steps": tuple(spec["steps"])}), data
                ):
                    out.write(f"{json.dumps({'seconds': seconds})}\n")
                    out.flush()
            except (Exception, SystemExit) as error:  # noqa: BLE001  a config may not be trainable
                out.write(f"{json.dumps({'error': first_line(error)})}\n")
                out.flush()


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
