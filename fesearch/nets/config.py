"""What a config of a stack of fully connected layers may say; needs no torch.

``published`` and ``full`` spaces of the families lie within LIMITS, and so must whatever a study
file sets instead: outside of them no network can be built or trained.
"""

from types import MappingProxyType

from fesearch.space import Choice, Config, Float, Int, Space, Value, When

ACTIVATIONS = ("sigmoid", "tanh", "relu", "gelu", "silu")
OUTPUT_ACTIVATIONS = (None, "sigmoid", "tanh", "relu")
NORMS = (None, "before", "after")
LOSSES = ("mse", "mae", "huber")
OPTIMIZERS = ("sgd", "momentum", "adam", "rmsprop", "adamw")

LIMITS = Space(
    {
        "depth": Int(3, 48),
        "width": Float(1 / 128, 16.0),
        "activation": Choice(ACTIVATIONS),
        "output_activation": Choice(OUTPUT_ACTIVATIONS),
        "norm": Choice(NORMS),
        "dropout": Float(0.0, 0.95),
        "loss": Choice(LOSSES),
        "optimizer": Choice(OPTIMIZERS),
        "momentum": When("optimizer", ("momentum",), Float(0.0, 0.999)),
        "learning_rate": Float(1e-12, 1e3),
        "weight_decay": Float(0.0, 1.0),
        "batch_size": Int(2, 1 << 20),
    }
)

UNSTATED = MappingProxyType({"dropout": 0.0, "weight_decay": 0.0, "momentum": 0.9})
"""What a config that does not name these means; IRNet (KDD 2019) does not state its momentum."""


def complete(config: Config) -> dict[str, Value]:
    """The config with the parameters a published space does not have."""
    whole = {**UNSTATED, **config}
    if config.get("optimizer") != "momentum" and "momentum" not in config:
        del whole["momentum"]
    return whole


def check(config: Config) -> None:
    """Refuse a config no network can be trained from.

    Raises:
        InputError: names the parameter that is missing, unknown or beyond LIMITS.
    """
    LIMITS.check(complete(config))
