"""How a search scales: reports a second that its driver takes, and workers it keeps busy.

    python benchmarks/scaling.py

Two things are measured with fake workers, which train nothing: how many reports a second the core
decides on with a ledger that forgets, and with the real one, SQLite on this disk with Optuna's
tables beside ours; random search and ASHA, up to 10,000 workers at a time. The same is measured of
the whole driver, Ray Tune in it, with up to 16 workers that are processes of Ray on cores that are
not there, all of which train nothing (written to a file of its own). With the measured time for a
report, without Ray, searches on the shipped curves of irnet are then simulated for 1 to 10,000
workers, for as long as a whole training takes: what share of the workers' time is training, and
what is lost to a driver that answers one report after another. Steps are made to last a second and
a minute on average, or ``--step``. Printed and written to benchmarks/results/. ``--smoke`` stops at
100 workers and keeps nothing.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from _results import write

from fesearch.record import Decision, ResultKey
from fesearch.search import curves as recorded
from fesearch.search.core import Core
from fesearch.search.curves import Curves
from fesearch.search.ledger import StoreLedger
from fesearch.search.mirror import Mirror, in_database
from fesearch.search.projection import Projection
from fesearch.search.roles import Ledger
from fesearch.search.sampler import sampler_named
from fesearch.search.simulated import Clock, Forgetful, Recorded, drive
from fesearch.simulation import Limits, settings_of
from fesearch.store.results import Store
from fesearch.store.schema import REPORTS
from fesearch.store.types import Division

WORKERS = (1, 10, 100, 1000, 10_000)
TRIALS_PER_WORKER = 3
LARGE = 10**9
ON_RAY = (2, 4, 8, 16)
MEASURED = 2000
"""Reports that are timed with a real ledger; the first of all come while trials are begun."""


def core_of(
    curves: Curves,
    trials: int,
    ledger: Ledger,
    clock: Callable[[], float],
    seconds: float | None = None,
) -> Core:
    """A search by random sampling and ASHA."""
    study = curves.study.model_copy(update={"sampler": "random", "pruner": "asha"})
    settings = settings_of(curves, study, 0, Limits(trials, seconds))
    sampler = sampler_named("random", settings.space, 0, settings.metric.direction)
    return Core(settings, Recorded(sampler, curves), ledger, clock=clock)


def pace(core: Core, curves: Curves, workers: int, most: int) -> dict[str, float]:
    """Begin a trial on each worker, then answer reports in turn; the rate of both."""
    began = time.perf_counter()
    running = []
    for _ in range(workers):
        spec = core.suggest()
        assert spec is not None
        running.append((spec, curves.trace(curves.nearest(spec.config)), 1))
    begun, reports = time.perf_counter(), 0
    while running and reports < most:
        going = []
        for spec, trace, place in running:
            report = trace.after(place)
            if report.resource >= spec.steps[-1]:
                report = replace(report, last=True)
            reports += 1
            if core.report(spec.number, report) is Decision.CONTINUE:
                going.append((spec, trace, place + 1))
            elif (further := core.suggest()) is not None:
                going.append((further, curves.trace(curves.nearest(further.config)), 1))
            if reports >= most:
                break
        running = going
    over = time.perf_counter()
    return {"begins": workers / (begun - began), "reports": reports / (over - begun)}


def stored(curves: Curves, workers: int, folder: Path, most: int) -> dict[str, float]:
    """The pace with the store a study has."""
    url = f"sqlite:///{folder}/scaling-{workers}.db"
    core = core_of(curves, workers * TRIALS_PER_WORKER, Forgetful(), time.monotonic)
    metric, resource = core.settings.metric, core.settings.family.resource
    with Store.open(url) as store:
        division = Division(curves.data, "fake", curves.split, 1, 1, 1)
        row = store.create_study(
            "scaling",
            {"study": curves.study.model_dump(mode="json"), "folder": "scaling"},
            seed=0,
            key=made_up(curves, metric.name),
            unit=curves.unit,
            direction=metric.direction,
            division=division,
            features="fake",
            versions={},
        )
        lease = store.acquire(row)

        def opened() -> Mirror:
            return Mirror(
                in_database(url), row.name, metric.direction, curves.space, f"{row.name}-1"
            )

        projection = Projection(opened, print)
        ledger = StoreLedger(store, lease, projection, resource.unit)
        core = core_of(curves, workers * TRIALS_PER_WORKER, ledger, time.monotonic)
        found = pace(core, curves, workers, most)
        began = time.perf_counter()
        projection.settle()
        projection.close()
        found["settling"] = time.perf_counter() - began
        return found


def through_ray(workers: int) -> dict[str, float]:
    """Reports a second that the whole driver answers, of the middle half: workers come late."""
    from overhead import Marks, search

    from fesearch import hardware

    hardware.cores = lambda: workers
    url = f"sqlite:///{Path.cwd()}/ray-{workers}.db"
    each = MEASURED // workers
    search(workers, each, url, Marks(), runner="ray", cpus=workers, pruner="none")
    with Store.open(url, create=False) as store, store.read() as connection:
        rows = connection.execute(sa.select(REPORTS.c.recorded_at)).all()
    times = sorted(at for (at,) in rows)
    first, last = len(times) // 4, 3 * len(times) // 4
    seconds = (times[last] - times[first]).total_seconds()
    return {"workers": workers, "reports_per_second": round((last - first) / seconds, 1)}


def made_up(curves: Curves, metric: str) -> ResultKey:
    """What the made-up results belong to."""

    return ResultKey(curves.data, "target", metric, "fake")


def slowed(curves: Curves, step: float | None) -> Curves:
    """The curves with steps of so many seconds, on average."""
    if step is None:
        return curves
    mean = sum(one.seconds for one in curves.curves) / len(curves.curves)
    slow = (replace(one, seconds=one.seconds * step / mean) for one in curves.curves)
    return replace(curves, curves=tuple(slow))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=float, action="append", help="seconds of a step")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    curves = recorded.read()[0]
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for workers in WORKERS[:3] if given.smoke else WORKERS:
            trials = workers * TRIALS_PER_WORKER
            core = core_of(curves, trials, Forgetful(), time.monotonic)
            bare = pace(core, curves, workers, 100 * MEASURED)
            real = stored(curves, workers, Path(scratch), MEASURED)
            for step in given.step or (1.0, 60.0):
                clock, slow = Clock(), slowed(curves, step)
                core = core_of(slow, LARGE, Forgetful(), clock, seconds=27 * step)
                began = time.perf_counter()
                course = drive(core, slow, workers, clock, answer=1 / real["reports"])
                taken = time.perf_counter() - began
                wanted = course.reports / course.end
                line = {
                    "workers": workers,
                    "trials": trials,
                    "core_reports_per_second": round(bare["reports"]),
                    "driver_reports_per_second": round(real["reports"]),
                    "driver_begins_per_second": round(real["begins"]),
                    "optuna_settling_seconds": round(real["settling"], 1),
                    "mean_step_seconds": step,
                    "reports": course.reports,
                    "reports_per_simulated_second": round(wanted, 2),
                    "driver_load": round(wanted / real["reports"], 4),
                    "efficiency": round(course.busy / (workers * course.end), 4),
                    "seconds_to_simulate": round(taken, 1),
                }
                print(line, flush=True)
                lines.append(line)
        os.chdir(scratch)
        whole = [through_ray(some) for some in ON_RAY[: 1 if given.smoke else None]]
        print(whole, flush=True)
    if not given.smoke:
        write("scaling", lines)
        write("scaling-on-ray", whole)


if __name__ == "__main__":
    os.environ.setdefault("FESEARCH_ARTIFACTS", tempfile.mkdtemp(prefix="scaling-"))
    main()
