"""Best validation MAE against the clock: fesearch, and what a user would pick instead.

    python benchmarks/anytime.py ../shared/data/mp_e_form_folds.csv.gz

Searches of one space (a dnn of 3 to 10 layers) on fold 0 of mp_e_form, of which only training and
validation rows are read, each for the same time from the start of its process, one after another:

- ``fesearch``: as it is by default (its choice of sampler, ASHA);
- ``random``, ``tpe``: fesearch with random search, or Optuna's TPE, and no pruning;
- ``plain``: ``plain_script.py``, which is Ray Tune with its OptunaSearch and ASHA, a DataLoader,
  Adam; it is given its features, scaled.

Written to benchmarks/results/: the best validation MAE of each at several times, for each seed and
of the curves' mean; and the seconds until it was as good as ``tpe`` and ``plain`` of that seed, or
mean, at the end. fesearch's features lie in its
cache, as in all searches but the first. ``--every 8`` takes every 8th row, so that minutes hold as
many trainings as hours of all rows. ``--smoke`` takes every 50th row and a minute.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _results import write
from fold0 import run, start, thinned
from search import NETS, SCRIPT, scaled, toml

SPLIT = "column:fold0"
EPOCHS = 27
SPACE: dict[str, Any] = {
    "depth": {"low": 3, "high": 10},
    "width": {"low": 0.0625, "high": 0.25, "log": True},
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "batch_size": {"low": 64, "high": 512, "log": True},
}
FIXED = {name: value for name, value in NETS.items() if name != "batch_size"}
NOT_IN_SCRIPT = {"layers": None, "dropout": 0.0, "schedule": "constant", "weight_decay": 1e-8}
POLICIES = {
    "fesearch": [],
    "random": ["--sampler", "random", "--pruner", "none"],
    "tpe": ["--sampler", "tpe", "--pruner", "none"],
}
Line = dict[str, Any]
Curve = list[tuple[float, float]]
"""(seconds since the process started, best validation MAE so far), ascending."""


def best_so_far(reports: list[tuple[float, float]]) -> Curve:
    """The reports that were better than all before."""
    curve: Curve = []
    for seconds, value in sorted(reports):
        if np.isfinite(value) and (not curve or value < curve[-1][1]):
            curve.append((seconds, float(value)))
    return curve


def ours(policy: str, seconds: int, seed: int) -> Curve:
    """A search by fesearch, in the folder this process is in."""
    import sqlalchemy as sa

    from fesearch.store.results import Store
    from fesearch.store.schema import REPORTS

    name = f"{policy}-{seed}"
    fixed = {**FIXED, **NOT_IN_SCRIPT}
    sets = [f"space.{key}={toml(value)}" for key, value in {**fixed, **SPACE}.items()]
    words = ["--name", name, "--data", "mp_e_form", "--split", SPLIT, "--preset", "full"]
    words += ["--trials", "1000", "--max-epochs", str(EPOCHS), "--time-limit", f"{seconds}s"]
    began = time.time()
    start(
        *("dnn", *words, "--seed", str(seed), *POLICIES[policy]),
        *(word for text in sets for word in ("--set", text)),
    )
    with Store.open(f"sqlite:///{Path('fesearch.db').resolve()}", create=False) as store:
        query = sa.select(REPORTS.c.recorded_at, REPORTS.c.best)
        query = query.where(REPORTS.c.study_id == store.study(name).id, REPORTS.c.best.is_not(None))
        with store.read() as connection:
            rows = connection.execute(query).all()
    return best_so_far([(at.timestamp() - began, best) for at, best in rows])


def plain(seconds: int, seed: int) -> Curve:
    """The same by the plain script."""
    Path("space.json").write_text(json.dumps({"fixed": FIXED, "space": SPACE}))
    words = ["data.npz", "space.json", "out.json", "--family", "dnn", "--epochs", str(EPOCHS)]
    began = time.time()
    subprocess.run(
        [sys.executable, str(SCRIPT), *words, "--seconds", str(seconds), "--seed", str(seed)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    reports = json.loads(Path("out.json").read_text())["reports"]
    return best_so_far([(at - began, value) for at, value in reports])


def save_data(file: Path) -> None:
    """Import the file, and write its rows with their features for the plain script."""
    from fesearch import library, split
    from fesearch.features import build
    from fesearch.featureset import Inputs

    run(
        *("data", "import", str(file), "--name", "mp_e_form", "--formula", "formula"),
        *("--target", "target", "--unit", "eV/atom", "--columns", "fold0"),
    )
    data = library.load("mp_e_form")
    matrix = build("magpie", Inputs.of(data)).matrix
    parts = split.make(data, split.SplitSpec.parse(SPLIT))
    scaled(parts.development(matrix, data.target("target")), Path("data.npz"))


def at(curve: Curve, seconds: float) -> float | None:
    """The best value known then."""
    known = [value for when, value in curve if when <= seconds]
    return known[-1] if known else None


def reached(curve: Curve, value: float) -> float | None:
    """Seconds until a value was reached, None where it was not."""
    return next((round(when, 1) for when, found in curve if found <= value), None)


def mean(curves: Sequence[Curve]) -> Curve:
    """The mean of the best values known, from when all have one."""
    times = sorted({when for curve in curves for when, _ in curve})
    known = [(when, [at(curve, when) for curve in curves]) for when in times]
    return [
        (when, float(np.mean([one for one in values if one is not None])))
        for when, values in known
        if None not in values
    ]


def told(curves: Mapping[str, Curve], seconds: int, seed: int | str, every: int) -> list[Line]:
    """A line for each policy: what it had when, and when it was as good as two of them at last."""
    lines: list[Line] = []
    for policy, curve in curves.items():
        line: Line = {"family": "dnn", "policy": policy, "seed": seed, "every_row": every}
        for part in (8, 4, 2, 1):
            line[f"mae_at_{seconds // part}_s"] = at(curve, seconds / part)
        line["last"] = at(curve, math.inf)
        line["seconds_to_last"] = round(curve[-1][0], 1) if curve else None
        for goal in ("tpe", "plain"):
            value = at(curves[goal], math.inf)
            line[f"seconds_to_{goal}"] = None if value is None else reached(curve, value)
        lines.append(line)
    return lines


def measure(seconds: int, seeds: int, every: int, smoke: bool) -> None:
    """Every policy with every seed; what is known is written after each seed."""
    lines: list[Line] = []
    each: dict[str, list[Curve]] = {policy: [] for policy in (*POLICIES, "plain")}
    for seed in range(1, seeds + 1):
        for policy, found in each.items():
            if policy == "plain":
                found.append(plain(seconds, seed))
            else:
                found.append(ours(policy, seconds, seed))
            print(policy, seed, found[-1], flush=True)
        lines += told({policy: found[-1] for policy, found in each.items()}, seconds, seed, every)
        means = {policy: mean(found) for policy, found in each.items()}
        both = [*lines, *told(means, seconds, f"mean of {seed}", every)]
        print(*both[-len(each) :], sep="\n", flush=True)
        if not smoke:
            write("anytime" if every == 1 else "anytime-of-some", both)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--seconds", type=int, default=240, help="of each search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="row of the file")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        given.every, given.seconds, given.seeds = 50, 60, 1
    file = given.file.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ["FESEARCH_STORAGE"] = f"sqlite:///{scratch}/fesearch.db"
        if given.every > 1:
            file = thinned(file, Path("thinned.csv.gz").resolve(), given.every)
        save_data(file)
        measure(given.seconds, given.seeds, given.every, given.smoke)


if __name__ == "__main__":
    main()
