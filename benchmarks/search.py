"""A whole search: fesearch against a plain script, on the same configs, rows and epochs.

    python benchmarks/search.py

For irnet (17 layers), a small dnn (3 layers, 128 at the widest), two more networks and the families
that a library has, but for sgd, some configs are drawn; ``plain_script.py`` (Ray Tune as its
tutorials have it) and fesearch train them, one after the other, each started from nothing as its
own process: most of a short search is the start of Ray and of its workers, so the dnn is searched
with 8 configs and with 32. Each side has seeds of its own, and the plain script trains on the
target as it is. Printed and written to benchmarks/results/: seconds on the clock, epochs trained,
best validation MAE, and the ratio; for networks also training samples a second of one core, and the
share of its fp32 matrix-product ceiling, measured in the same run, that they make of it (six
operations a weight and sample). Both sides have the same rungs of ASHA, but what they stop depends
on the order of reports, so there is a ratio of seconds an epoch too (of a forest: a tree). The
cases named ``whole``, and those of one library's family, stop nothing: there both train the same
epochs, and the plain script is told how many rounds it took fesearch's boosters until validation
errors had not fallen for 100. The plain script is given features that fesearch has to compute. The
data are ``miedema``. ``--smoke`` takes two configs and two epochs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _results import write

from fesearch.family import FAMILIES

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "plain_script.py"
VARIED: dict[str, dict[str, list[float]]] = {
    **{
        one: {"learning_rate": [0.03, 0.05, 0.1, 0.2]}
        for one in ("xgboost", "lightgbm", "catboost")
    },
    **{one: {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]} for one in ("ridge", "lasso", "elastic_net")},
    "linear_regression": {},
    "svr": {"c": [1.0, 3.0, 10.0, 30.0]},
    "krr": {"alpha": [0.03, 0.1, 0.3, 1.0]},
    "k_neighbors": {"n_neighbors": [3, 5, 7, 9]},
    "extra_trees": {"min_samples_split": [2, 5, 10, 20]},
    "decision_tree": {"min_samples_split": [2, 5, 10, 20]},
    "bagging": {"min_samples_leaf": [1, 2, 5, 10]},
    "adaboost": {"learning_rate": [0.3, 0.5, 1.0, 2.0]},
}
"""Of every other family that a library has: the first config, with these values in turn."""
CASES: dict[str, dict[str, Any]] = {
    "irnet": {"epochs": 4, "trials": 4, "set": {"depth": 17, "width": 1.0}},
    "dnn": {"epochs": 9, "trials": 8, "set": {"depth": 3, "width": 0.125}},
    "dnn-32": {"epochs": 9, "trials": 32, "set": {"depth": 3, "width": 0.125}},
    "irnet-whole": {"epochs": 4, "trials": 4, "set": {"depth": 17, "width": 1.0}},
    "dnn-whole": {"epochs": 9, "trials": 8, "set": {"depth": 3, "width": 0.125}},
    "srnet-whole": {"epochs": 4, "trials": 4, "set": {"depth": 17, "width": 0.25}},
    "plain_mlp-whole": {"epochs": 4, "trials": 4, "set": {"depth": 8, "width": 0.25}},
    "random_forest": {"epochs": 1, "trials": 4, "set": {}},
    "random_forest-whole": {"epochs": 1, "trials": 4, "set": {}},
    **{family: {"epochs": 1} for family in VARIED},
}
NETWORKS = ("irnet", "dnn", "srnet", "plain_mlp")
NETS: dict[str, Any] = {
    "activation": "relu",
    "output_activation": None,
    "norm": "before",
    "loss": "mae",
    "optimizer": "adam",
    "batch_size": 64,
}


def settings(case: str) -> dict[str, Any]:
    """Parameter -> value or values, the same for both sides."""
    if family_of(case) == "random_forest":
        return {
            "n_estimators": 100,
            "min_samples_split": [5, 10],
            "max_features": [0.25, 0.33],
            "max_depth": 25,
        }
    if case in VARIED:
        return {**FAMILIES.get(case).best, **VARIED[case]}
    rates = np.geomspace(1e-4, 5e-3, CASES[case]["trials"]).round(6).tolist()
    return {**NETS, "learning_rate": rates, **CASES[case]["set"]}


def ours(case: str, trials: int, epochs: int, folder: Path) -> dict[str, Any]:
    """The search by fesearch, as a user types it; its seconds, epochs and configs."""
    family, name = family_of(case), f"{case}-search"
    sets = [f"space.{key}={toml(value)}" for key, value in settings(case).items()]
    words = ["study", "start", family, "--name", name, "--trials", str(trials)]
    words += ["--seed", "0", "--sampler", "random"]
    words += ["--pruner", "none"] if whole(case) else ["--set", "reduction_factor=3"]
    if epochs > 1:
        words += ["--max-epochs", str(epochs)]
    if family in NETWORKS and not whole(case):
        words += ["--set", "grace=1"]
    began = time.perf_counter()
    said = [word for text in sets for word in ("--set", text)]
    environment = os.environ | {"FESEARCH_CACHE_DIR": str(folder / f"{case}-cache")}
    subprocess.run(
        ["fesearch", *words, *said],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    seconds = time.perf_counter() - began
    text = subprocess.run(
        ["fesearch", "trials", name, "--format", "json"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = json.loads(text)
    return {
        "seconds": seconds,
        "epochs": sum(row["resource"] for row in rows),
        "best": min(row["value"] for row in rows if row["value"] is not None),
        "configs": [{**row["config"], **_rounds(family, row["resource"])} for row in rows],
        "worked": sum(row["resource"] * row["parameters"] for row in rows),
        "trained": sum(row["seconds"] for row in rows),
    }


def _rounds(family: str, resource: int) -> dict[str, int]:
    """What the plain script is told of boosters: as many as there were when fesearch stopped."""
    return {"n_estimators": resource} if FAMILIES.get(family).resource.unit == "rounds" else {}


def trials_of(case: str) -> int:
    """As many as there are configs."""
    found: int = CASES[case].get("trials", max(map(len, VARIED.get(case, {}).values()), default=1))
    return found


def family_of(case: str) -> str:
    """Its name is that of its family, and what tells it from others."""
    return case.partition("-")[0]


def whole(case: str) -> bool:
    """Whether every config is trained to its end."""
    return case.endswith("-whole") or case in VARIED


def toml(value: Any) -> str:
    """A value of a study file: a number, a text, a list of them, a table, or none."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={toml(one)}" for key, one in value.items()) + "}"
    return '"none"' if value is None else json.dumps(value)


def plain(case: str, configs: list[Any], epochs: int, folder: Path) -> dict[str, Any]:
    """The same configs by the plain script, from nothing."""
    data, listed, out = folder / "data.npz", folder / "configs.json", folder / "out.json"
    listed.write_text(json.dumps(configs))
    words = [str(data), str(listed), str(out), "--family", family_of(case), "--epochs", str(epochs)]
    words += ["--whole"] if whole(case) else []
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    return {"seconds": time.perf_counter() - began, **json.loads(out.read_text())}


def save_data(folder: Path) -> int:
    """Features and target of miedema for the plain script; how many rows train."""
    from fesearch import library, split
    from fesearch.features import build
    from fesearch.featureset import Inputs

    data = library.load("miedema")
    found = build("magpie", Inputs.of(data))
    made = split.make(data, split.SplitSpec.parse("random"))
    part = made.development(found.matrix, data.target("formation_enthalpy"))
    scaled(part, folder / "data.npz")
    return len(part.train_y)


def scaled(part: Any, to: Path) -> None:
    """Write the rows of a ``Development`` for the plain script, standardised as a user would."""
    mean, deviation = part.train_x.mean(axis=0), part.train_x.std(axis=0)
    deviation[deviation == 0] = 1

    def standard(x: np.ndarray) -> np.ndarray:
        return np.nan_to_num((x - mean) / deviation)

    np.savez(
        to,
        train_x=standard(part.train_x),
        train_y=part.train_y,
        val_x=standard(part.val_x),
        val_y=part.val_y,
    )


def ceiling(size: int = 1024, repeats: int = 10) -> float:
    """GFLOP/s of fp32 matrix products on one core."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(size, size), torch.randn(size, size)
    a @ b
    began = time.perf_counter()
    for _ in range(repeats):
        a @ b
    return 2 * size**3 * repeats / (time.perf_counter() - began) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append", help="only these")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    gemm = ceiling()
    print(f"fp32 matrix products: {gemm:.0f} GFLOP/s on one core of {os.cpu_count()}")
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = save_data(folder)
        for case in given.case or CASES:
            trials, epochs = trials_of(case), CASES[case]["epochs"]
            if given.smoke:
                trials, epochs = min(trials, 2), min(epochs, 2)
            mine = ours(case, trials, epochs, folder)
            theirs = plain(case, mine["configs"], epochs, folder)
            line = {
                "case": case,
                "trials": len(mine["configs"]),
                "rows": rows,
                "gflops_ceiling": round(gemm, 1),
                "fesearch_seconds": round(mine["seconds"], 1),
                "fesearch_epochs": mine["epochs"],
                "fesearch_best": round(mine["best"], 5),
                "plain_seconds": round(theirs["seconds"], 1),
                "plain_epochs": theirs["epochs"],
                "plain_best": round(theirs["best"], 5),
                "ratio": round(theirs["seconds"] / mine["seconds"], 2),
                "ratio_per_epoch": round(
                    theirs["seconds"] / theirs["epochs"] / (mine["seconds"] / mine["epochs"]), 2
                ),
            }
            if family_of(case) in NETWORKS:
                samples = mine["epochs"] * rows / mine["trained"]
                gflops = 6e-9 * mine["worked"] * rows / mine["trained"]
                line["samples_per_second"] = round(samples)
                line["share_of_ceiling"] = round(gflops / gemm, 2)
            print(line, flush=True)
            lines.append(line)
            if not given.smoke:  # after each, should a later one fail
                names = {name: None for line in lines for name in line}
                write("search", [names | line for line in lines])


if __name__ == "__main__":
    main()
