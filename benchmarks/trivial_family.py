"""A family that trains nothing, so that all a search costs is the search; for ``overhead.py``."""

import os

import numpy as np

from fesearch.family import Family, Resource
from fesearch.space import Choice, Float, Space

BEST_AFTER = "TRIVIAL_BEST_AFTER"
"""Names the environment variable of steps after which predictions become no better."""

SPACE = Space(
    {
        "rate": Float(1e-6, 1e-1, log=True, source="made up"),
        "size": Float(0.0, 1.0, source="made up"),
        "kind": Choice(("a", "b", "c"), source="made up"),
    }
)


class Learner:
    """Predictions that come nearer to the truth, faster for some configs."""

    parameters = 1

    def __init__(self, config, data):
        self.target, self.start = data.val_y, float(np.mean(data.train_y))
        self.speed, self.steps = float(config["size"]), 0
        self.best_after = float(os.environ.get(BEST_AFTER, "inf"))

    def advance(self):
        self.steps += 1
        progress = self.speed / min(self.steps, self.best_after)
        return self.target + (self.start - self.target + 1.0) * progress

    def model(self):
        return {"start": np.array([self.start])}

    def checkpoint(self):
        return {"steps": np.array(self.steps)}

    def restore(self, checkpoint):
        self.steps = int(checkpoint["steps"])


FAMILY = Family(
    name="trivial",
    title="Nothing at all",
    source="made up",
    published=SPACE,
    full=SPACE,
    best={"rate": 1e-3, "size": 0.5, "kind": "a"},
    resource=Resource(unit="epochs", step=1, maximum=1000),
    build=lambda config, data, *, seed, threads, device: Learner(config, data),
    load=lambda config, arrays, *, width, threads, device: lambda x: np.zeros(len(x)),
    check=lambda config: None,
)
