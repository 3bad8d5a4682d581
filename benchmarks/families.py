"""Every family after a small search on fold 0 of mp_e_form: validation MAE and seconds.

    python benchmarks/families.py ../shared/data/mp_e_form_folds.csv.gz

runs ``fesearch study start FAMILY`` for each, a few trials of each family's wide space on the same
80,000 training rows, and writes the best of each with device and commit to benchmarks/results/.
Budgets are small (``BUDGETS``), so the figures say that a family learns as it should and what it
costs, not which one is best. Only validation is used. Seconds are of computation, all trials of a
family together, on one core each. ``--smoke`` takes every 50th row and one trial.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _results import write
from fold0 import imported, run, start, thinned

from fesearch.family import FAMILIES

SEQUENCES = ["--features", "element_sequence:longest=9"]  # one compound has 9 elements
FORESTS = ["--trials", "2", "--set", "space.n_estimators=50"]
KERNELS = ["--set", "space.rows=10000"]
BUDGETS: dict[str, list[str]] = {
    **dict.fromkeys(("rnn", "attention"), SEQUENCES),
    **dict.fromkeys(("random_forest", "extra_trees", "bagging"), FORESTS),
    "adaboost": ["--trials", "2", "--set", "space.n_estimators=20", "--time-limit", "10m"],
    **dict.fromkeys(("svr", "krr"), KERNELS),
}
"""Beyond three trials of the full space; what is not named has that alone, and networks follow from
the limit. Ten trees of AdaBoost, which is how often it reports, can take longer than all trials of
another family."""


COLUMNS = (
    *("family", "trials", "val_mae", "unit", "trained"),
    *("seconds_of_best", "seconds_of_all", "config"),
)


def search(family: str, limit: str, smoke: bool) -> dict[str, object]:
    """One small search; the best of it, and what it cost."""
    words = ["--data", "mp_e_form", "--split", "column:fold0", "--preset", "full"]
    words += ["--name", f"{family}-fold0", "--time-limit", limit, "--seed", "1"]
    words += ["--sampler", "auto"]  # the study of that name may have another one
    words += ["--trials", "3", *BUDGETS.get(family, [])]
    words += ["--trials", "1"] if smoke else []
    start(family, *words)
    trials = json.loads(run("trials", f"{family}-fold0", "--format", "json"))
    usable = [trial for trial in trials if trial["value"] is not None]
    if not usable:
        return {**dict.fromkeys(COLUMNS), "family": family, "trials": len(trials)}
    best = min(usable, key=lambda trial: trial["value"])
    return {
        "family": family,
        "trials": len(trials),
        "val_mae": best["value"],
        "unit": "eV/atom",
        "trained": f"{best['resource']} {best['unit']}",
        "seconds_of_best": round(best["seconds"], 1),
        "seconds_of_all": round(sum(trial["seconds"] for trial in trials), 1),
        "config": json.dumps(best["config"]),
    }


def measure(file: Path, families: Sequence[str], limit: str, smoke: bool) -> None:
    """Import once, then one family after the other; each line is written as it is known."""
    imported(file)
    lines = []
    for family in families:
        lines.append(search(family, limit, smoke))
        print(lines[-1], flush=True)
        if not smoke:
            write("families", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--family", choices=FAMILIES.names(), action="append", help="only these")
    parser.add_argument("--limit", default="10m", help="of each family's search")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    file = given.file.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        if given.smoke:
            file = thinned(file, Path("thinned.csv.gz").resolve())
        measure(file, given.family or FAMILIES.names(), given.limit, given.smoke)


if __name__ == "__main__":
    main()
