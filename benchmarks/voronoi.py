"""Voronoi features of real structures: time a site on 1 and 2 workers, and a kill half way.

    python benchmarks/voronoi.py --file ../shared/data/mp_structures.jsonl.gz

computes all structures of the file on one worker; then on two, in a process that is killed by
SIGKILL when half of them are done, and again in another, which must compute the rest alone and end
with the same numbers. Each run is a process of its own; those on one and on two workers start with
an empty cache. A line a run, with device and commit, goes to benchmarks/results/. Seconds are of
the clock, from the first structure that is done to the last, so that those to start Ray and to
import matminer stand apart; beside them are the load of the machine, which may have other work, and
the processor's seconds that the workers spent on structures. ``--smoke`` takes few structures and
writes nothing.
"""

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from _results import write

from fesearch.featuresets import _voronoi, magpie_voronoi

LIMIT = 600.0  # seconds a structure; none takes long, but the machine may
LOG = "processor_seconds"  # in the folder of the cache
Figures = dict[str, Any]


def read(file: Path, count: int | None) -> list[str]:
    """The column ``structure`` of a file of JSON lines."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["structure"] for line in islice(lines, count)]


def sites(texts: list[str]) -> int:
    """Of all structures."""
    return sum(len(json.loads(text)["sites"]) for text in texts)


def timed(log: Path) -> Callable[[], Callable[[str], np.ndarray]]:
    """Makes workers that also note the processor's seconds for each structure."""

    def make() -> Callable[[str], np.ndarray]:
        row = _voronoi.featurizer()

        def noted(text: str) -> np.ndarray:
            began = time.process_time()
            try:
                return row(text)
            finally:
                with log.open("a") as file:
                    file.write(f"{time.process_time() - began}\n")

        return noted

    return make


def once(texts: list[str], workers: int) -> Figures:
    """One run in this process; says on stdout how far it is."""
    _voronoi.featurizer = timed(Path(os.environ["FESEARCH_CACHE_DIR"]) / LOG)
    times: list[float] = []
    began = time.perf_counter()

    def progress(done: int, total: int) -> None:
        times.append(time.perf_counter() - began)
        print(f"{done} {total}", flush=True)

    matrix, failed = magpie_voronoi.rows(texts, progress, limit=LIMIT, workers=workers)
    return {
        "computed": len(times) - 1,
        "failed": len(failed),
        "start_seconds": round(times[1], 1),
        "seconds": round(times[-1] - times[1], 1),
        "sha256": hashlib.sha256(matrix.tobytes()).hexdigest(),
    }


def run(cache: str, file: Path, count: int | None, workers: int, killed_at: int = 0) -> Figures:
    """One run in another process, killed when so many structures are done, unless that is 0."""
    command = [sys.executable, __file__, "--file", str(file), "--once", str(workers)]
    command += ["--structures", str(count)] if count else []
    load = os.getloadavg()[0]
    log = Path(cache) / LOG
    log.unlink(missing_ok=True)
    environment = os.environ | {"FESEARCH_CACHE_DIR": cache}
    began = start = time.perf_counter()
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for last in process.stdout:
            done = 0 if last.startswith("{") else int(last.split()[0])
            if done == 1:
                start = time.perf_counter()
            if killed_at and done >= killed_at:
                process.kill()
                break
    figures = {
        "workers": workers,
        "load": round(load, 1),
        "killed": bool(killed_at),
        "cpu_seconds": round(sum(map(float, log.read_text().split())), 1),
    }
    if killed_at:
        return figures | {
            "computed": killed_at,
            "failed": None,
            "start_seconds": round(start - began, 1),
            "seconds": round(time.perf_counter() - start, 1),
            "sha256": None,
        }
    assert process.returncode == 0
    return figures | json.loads(last)


def measure(file: Path, count: int | None) -> list[Figures]:
    """The three runs; the last one must not compute what the killed one had done."""
    texts = read(file, count)
    half = len(texts) // 2
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        whole = run(one, file, count, workers=1)
        killed = run(two, file, count, workers=2, killed_at=half)
        rest = run(two, file, count, workers=2)
    assert whole["computed"] == len(set(texts))
    assert half <= len(set(texts)) - rest["computed"] <= half + 2, "two may be done at the kill"
    assert rest["sha256"] == whole["sha256"]
    first, last = texts[:half], texts[len(texts) - rest["computed"] :]
    return [
        with_sites(figures, sites(done))
        for figures, done in ((whole, texts), (killed, first), (rest, last))
    ]


def with_sites(figures: Figures, count: int) -> Figures:
    """Figures of a run that did structures of so many sites."""
    return figures | {
        "sites": count,
        "seconds_per_site": round(figures["seconds"] / count, 4),
        "cpu_seconds_per_site": round(figures["cpu_seconds"] / count, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, required=True, help="JSON lines with 'structure'")
    parser.add_argument("--structures", type=int, help="the first so many; else all")
    parser.add_argument("--once", type=int, metavar="WORKERS", help="one run, with that cache")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    count = 8 if given.smoke else given.structures
    if given.once:
        print(json.dumps(once(read(given.file, count), given.once)))
        return
    lines = measure(given.file, count)
    for line in lines:
        print(*(f"{name}={value}" for name, value in line.items()))
    if not given.smoke:
        write("voronoi", lines)


if __name__ == "__main__":
    main()
