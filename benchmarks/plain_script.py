"""What a user would write: Ray Tune with its OptunaSearch and ASHA, a DataLoader, Adam, defaults.

    python benchmarks/plain_script.py DATA.npz CONFIGS.json OUT.json --family irnet --epochs 9

trains the configs of a list with the library's defaults and nothing of fesearch but the module of
the network, so that both do the same arithmetic; ``search.py`` calls it and compares. With
``--seconds 240`` the second file has a space, and it searches that for so long; ``anytime.py``.
``--whole`` leaves ASHA out.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

SHORTCUTS: dict[str, Any] = {"irnet": "layer", "srnet": "block", "plain_mlp": "none", "dnn": "none"}
"""Of networks; the others are a library's."""


def net_trial(config: dict[str, Any], arrays: Any) -> None:
    """A trial of a network, as tutorials write it."""
    import torch
    from ray import tune
    from torch.utils.data import DataLoader, TensorDataset

    from fesearch.nets.stack import Stack

    torch.manual_seed(config["seed"])
    train_x, train_y, val_x, val_y = (torch.tensor(a, dtype=torch.float32) for a in arrays)
    shortcut = SHORTCUTS[config["family"]]
    net = Stack.of(config["config"], inputs=train_x.shape[1], shortcut=shortcut).net()
    rate = config["config"]["learning_rate"]
    optimizer = (
        torch.optim.Adam(net.parameters(), lr=rate)
        if config["config"]["optimizer"] == "adam"
        else torch.optim.SGD(net.parameters(), lr=rate)
    )
    loss = torch.nn.L1Loss() if config["config"]["loss"] == "mae" else torch.nn.MSELoss()
    size = config["config"]["batch_size"]
    batches = DataLoader(TensorDataset(train_x, train_y), batch_size=size, shuffle=True)
    checks = DataLoader(TensorDataset(val_x, val_y), batch_size=size)
    for _ in range(config["epochs"]):
        net.train()
        for x, y in batches:
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            errors = [(net(x) - y).abs() for x, y in checks]
        tune.report({"mae": torch.cat(errors).mean().item()})


def library_trial(config: dict[str, Any], arrays: Any) -> None:
    """A trial of a library's estimator: fit it all, report once."""
    from fits import estimators
    from ray import tune

    train_x, train_y, val_x, val_y = arrays
    make = estimators(config["seed"], train_x.shape[1])[config["family"]]
    model = make(dict(config["config"])).fit(train_x, train_y)
    tune.report({"mae": float(np.mean(np.abs(model.predict(val_x) - val_y)))})


def domain(low: float, high: float, log: bool = False) -> Any:
    """Ray's domain of a range, its ends included."""
    from ray import tune

    if isinstance(low, int):
        return tune.lograndint(low, high + 1) if log else tune.randint(low, high + 1)
    return tune.loguniform(low, high) if log else tune.uniform(low, high)


def main() -> None:
    began = time.time()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "configs", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--family", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seconds", type=int, help="search a space for so long, not a list")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="stop no trial early")
    given = parser.parse_args()
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    loaded = np.load(given.data)
    arrays = [loaded[name] for name in ("train_x", "train_y", "val_x", "val_y")]
    asked = json.loads(given.configs.read_text())
    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    trial = net_trial if given.family in SHORTCUTS else library_trial
    fixed = {"family": given.family, "epochs": given.epochs, "seed": given.seed}
    if given.seconds:
        drawn = {name: domain(**bounds) for name, bounds in asked["space"].items()}
        space = {"config": {**asked["fixed"], **drawn}}
        search, samples = OptunaSearch(seed=given.seed), -1
    else:
        space = {"index": tune.choice(list(range(len(asked))))}
        points = [{"index": index} for index in range(len(asked))]
        search = OptunaSearch(points_to_evaluate=points, seed=given.seed)
        samples = len(asked)

    def chosen(config: dict[str, Any], held: Any) -> None:
        trial({"config": asked[config["index"]] if "index" in config else None, **config}, held)

    asha = ASHAScheduler(max_t=given.epochs, grace_period=1, reduction_factor=3)
    tuner = tune.Tuner(
        tune.with_parameters(chosen, held=arrays),
        param_space={**space, **fixed},
        tune_config=tune.TuneConfig(
            metric="mae",
            mode="min",
            num_samples=samples,
            time_budget_s=given.seconds and began + given.seconds - time.time(),
            search_alg=search,
            scheduler=None if given.whole else asha,
        ),
    )
    results = tuner.fit()
    frames = [result.metrics for result in results if "mae" in (result.metrics or {})]
    epochs = sum(metrics["training_iteration"] for metrics in frames)
    best = min((metrics["mae"] for metrics in frames), default=None)
    if given.family not in SHORTCUTS:  # all of them
        epochs = sum(config.get("n_estimators", given.epochs) for config in asked)
    told = {"epochs": epochs, "best": best, "trials": len(frames)}
    if given.seconds:
        curves = [one.metrics_dataframe for one in results]
        curves = [curve for curve in curves if curve is not None and not curve.empty]
        told["reports"] = [
            pair for curve in curves for pair in zip(curve["timestamp"], curve["mae"], strict=True)
        ]
    given.out.write_text(json.dumps(told, default=float))


if __name__ == "__main__":
    main()
