"""Families that learn nothing, for tests of the contract: a sound one, and each with a fault."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fesearch.arrays import Arrays
from fesearch.errors import InputError
from fesearch.family import FAMILIES, Family, Learner
from fesearch.space import Choice, Config, Space
from fesearch.split import Development


class Mean:
    """Learns nothing: it predicts the first feature, and how often it was advanced."""

    def __init__(self, config: Config, data: Development, seed: int) -> None:
        self.data, self.seed, self.steps = data, seed, 0

    parameters = 1

    def advance(self) -> np.ndarray:
        self.steps += 1
        return self.predictions()

    def predictions(self) -> np.ndarray:
        x = np.nan_to_num(self.data.val_x[:, 0], posinf=0.0, neginf=0.0)
        return x.astype(np.float64) + self.seed + self.steps

    def model(self) -> Arrays:
        return {"offset": np.array(float(self.seed + self.steps))}

    def checkpoint(self) -> Arrays:
        return {"steps": np.array(self.steps), "width": np.array(self.data.width)}

    def restore(self, checkpoint: Arrays) -> None:
        if int(checkpoint["width"]) != self.data.width:
            raise InputError("The checkpoint is of another width.", "Build another.")
        self.steps = int(checkpoint["steps"])


def load(
    config: Config, arrays: Arrays, *, width: int, threads: int, device: str
) -> Callable[[np.ndarray], np.ndarray]:
    if width not in (1, 8) or arrays.keys() != {"offset"} or arrays["offset"].shape != ():
        raise InputError("These are not the arrays of the model.", "Give others.")
    if arrays["offset"].dtype != np.float64:
        raise InputError("The offset is no float64.", "Give another.")
    offset = arrays["offset"]
    return lambda x: np.nan_to_num(x[:, 0], posinf=0.0, neginf=0.0).astype(float) + offset


def family(kind: type[Mean] = Mean, **keys: Any) -> Family:
    """A family of that learner; only what the test is about is wrong with it, and it is no good."""
    space = Space({"a": Choice((1, 2), source="a test")})

    def build(
        config: Config, data: Development, *, seed: int, threads: int, device: str
    ) -> Learner:
        return kind(config, data, seed)

    given: dict[str, Any] = {
        "name": "mean",
        "published": space,
        "full": space,
        "best": {"a": 1},
        "build": build,
        "load": load,
        "check": space.check,
        "resource": replace(FAMILIES.get("irnet").resource, maximum=50),
        "length": lambda config: None,
        "seeded": True,
        "linear": False,
    }
    return replace(FAMILIES.get("ridge"), **{**given, **keys})


class Flat(Mean):
    def predictions(self) -> np.ndarray:
        return np.full(len(self.data.val_y), float(self.seed + self.steps))


class Forgetful(Mean):
    def restore(self, checkpoint: Arrays) -> None:
        """Nothing is taken up, and nothing refused."""


class Paused(Mean):
    """It can be looked at in the middle of each step, and goes on from there."""

    look = staticmethod(lambda: None)
    within = False

    def on_pause(self, look: Callable[[], None]) -> None:
        self.look = look

    def advance(self) -> np.ndarray:
        if not self.within:
            self.within = True
            self.steps += 1
            self.look()
        self.within = False
        return self.predictions()

    def checkpoint(self) -> Arrays:
        return {**super().checkpoint(), "within": np.array(self.within)}

    def restore(self, checkpoint: Arrays) -> None:
        super().restore(checkpoint)
        self.within = bool(checkpoint["within"])


class Astray(Paused):
    """It does not know within which step it was."""

    def restore(self, checkpoint: Arrays) -> None:
        super().restore(checkpoint)
        self.within = False


class Meddling(Mean):
    def advance(self) -> np.ndarray:
        self.data.train_x[0] += 1.0
        return super().advance()


class Lucky(Mean):
    def predictions(self) -> np.ndarray:
        return super().predictions() + np.random.default_rng().normal()


class Shared(Mean):
    """Its models change as training goes on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.offset = np.array(float(self.seed))

    def model(self) -> Arrays:
        self.offset[...] = self.seed + self.steps
        return {"offset": self.offset}

    def advance(self) -> np.ndarray:
        found = super().advance()
        self.offset[...] = self.seed + self.steps
        return found


class Short(Mean):
    def predictions(self) -> np.ndarray:
        return super().predictions()[:-1]


class Fussy(Mean):
    """It divides by the spread of its target."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if np.ptp(self.data.train_y) == 0:
            raise ZeroDivisionError("no spread")


class Useless(Mean):
    def predictions(self) -> np.ndarray:
        return super().predictions() + 100.0


def careless(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    offset = float(np.mean(next(iter(arrays.values()), np.zeros(1))))
    return lambda x: np.nan_to_num(x[:, 0], posinf=0.0, neginf=0.0).astype(float) + offset


def blind(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    checked = load(config, arrays, **rest)
    return lambda x: np.where(np.isfinite(x[:, 0]), checked(x), np.nan)


def as_they_lie(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    checked = load(config, arrays, **rest)
    return lambda x: checked(x.ravel(order="K").reshape(x.shape))


class Frozen(Mean):
    """A network with a weight that no gradient reaches."""

    def model(self) -> Arrays:
        return {**super().model(), "net.unused": np.ones(2)}


def with_unused(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    if "net.unused" not in arrays:
        raise InputError("There is no 'net.unused'.", "Give it.")
    return load(config, {name: arrays[name] for name in arrays if name != "net.unused"}, **rest)


def at_corners_alone(
    config: Config, data: Development, *, seed: int, threads: int, device: str
) -> Learner:
    if config["a"] not in (1, 99):
        raise InputError("No model has that a.", "Give another.")
    return Mean(config, data, seed)
