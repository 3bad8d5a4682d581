"""What a config of a network may say, and the spaces the papers search; needs no torch.

Spaces of the families lie within the limits here, and so must whatever a study file sets instead:
outside of them no network can be built or trained.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from fesearch.errors import InputError
from fesearch.nets.layers import DEEPEST, SHALLOWEST, Norm, Run, Shortcut, parse, tapered, written
from fesearch.space import Choice, Config, Entry, Float, Int, Space, Value, When

ACTIVATIONS = ("sigmoid", "tanh", "relu", "gelu", "silu")
OUTPUT_ACTIVATIONS = (None, "sigmoid", "tanh", "relu")
NORMS = (None, "before", "after")
LOSSES = ("mse", "mae", "huber")
OPTIMIZERS = ("sgd", "momentum", "adam", "rmsprop", "adamw", "adadelta")
SCHEDULES = ("constant", "cosine", "plateau", "one_cycle")
PRECISIONS = ("fp32", "tf32", "bf16")
ENDING = ("cosine", "one_cycle")
"""Schedules that come to an end: they need the number of epochs, which ends the trial too."""
LEAST_DROPOUT = 0.05
"""Of a range beside ``layers`` that have dropout: none is another network."""
BY_DEPTH = (None,)
"""``layers`` where the network is described by depth, width and norm instead."""

OURS = "fesearch"
TABLE_1 = "Jha 2019, Table 1"
SETTINGS = "Jha 2019, 4, Experimental Settings"
COMPONENTS = "Jha 2019, 4.1.1"

TRAINING: dict[str, Entry] = {
    "loss": Choice(LOSSES),
    "optimizer": Choice(OPTIMIZERS),
    "momentum": When("optimizer", ("momentum",), Float(1e-3, 0.999)),
    "learning_rate": Float(1e-12, 1e3),
    "schedule": Choice(SCHEDULES),
    "epochs": When("schedule", ENDING, Int(1, 1_000_000)),
    "weight_decay": Float(0.0, 1.0),
    "batch_size": Int(2, 1 << 20),
    "precision": Choice(PRECISIONS),
}
"""The limits of what every network is trained with."""

STACK = Space(
    {
        "layers": Choice(BY_DEPTH),
        "depth": When("layers", BY_DEPTH, Int(SHALLOWEST, DEEPEST)),
        "width": When("layers", BY_DEPTH, Float(1 / 128, 16.0)),
        "norm": When("layers", BY_DEPTH, Choice(NORMS)),
        "activation": Choice(ACTIVATIONS),
        "output_activation": Choice(OUTPUT_ACTIVATIONS),
        "dropout": Float(0.0, 0.95),
        **TRAINING,
    }
)
"""The limits of a stack of fully connected layers; ``layers`` may be a text as well."""

UNSTATED = MappingProxyType(
    {
        "layers": None,
        "dropout": 0.0,
        "weight_decay": 0.0,
        "momentum": 0.9,
        "schedule": "constant",
        "precision": "fp32",
    }
)
"""What a config that does not name these means; IRNet (KDD 2019) does not state its momentum."""

SETTABLE: Mapping[str, Entry] = MappingProxyType({"precision": Choice(PRECISIONS, source=OURS)})
"""What no space has and a study may set: see ``family.Family`` and ``nets.precision``."""

FULL_TRAINING: dict[str, Entry] = {
    "loss": Choice(LOSSES, source=OURS),
    "optimizer": Choice(OPTIMIZERS, source=OURS),
    "momentum": When("optimizer", ("momentum",), Float(0.5, 0.99, source=OURS)),
    "learning_rate": Float(1e-6, 1e-1, log=True, source=SETTINGS),
    "schedule": Choice(SCHEDULES, source=OURS),
    "epochs": When("schedule", ENDING, Int(20, 500, log=True, source=OURS)),
    "weight_decay": Float(1e-8, 1e-1, log=True, source=OURS),
    "batch_size": Int(32, 4096, log=True, source=OURS),
}
"""How a practitioner of today would search the training of any network.

Learning rates are the paper's for every optimizer. Torch's default for Adadelta, 1.0, is beyond
them: a study of that one sets its own, as in ``{low = 0.01, high = 10.0, log = true}``.
"""

PUBLISHED_2019: dict[str, Entry] = {
    "layers": Choice(BY_DEPTH, source="Jha 2019, the published code"),
    "depth": When("layers", BY_DEPTH, Choice((17, 24, 48), source=TABLE_1)),
    "width": When("layers", BY_DEPTH, Choice((1.0,), source=TABLE_1)),
    "norm": When("layers", BY_DEPTH, Choice(("before",), source=COMPONENTS)),
    "activation": Choice(("sigmoid", "tanh", "relu"), source=SETTINGS),
    "output_activation": Choice((None, "sigmoid", "tanh", "relu"), source=SETTINGS),
    "loss": Choice(("mse", "mae"), source=SETTINGS),
    "optimizer": Choice(("sgd", "momentum", "adam", "rmsprop"), source=SETTINGS),
    "learning_rate": Choice((1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), source=SETTINGS),
    "batch_size": Choice((32, 64, 128), source=SETTINGS),
}
"""Jha et al., KDD 2019: one search for all deep models of the paper."""

FULL_STACK: dict[str, Entry] = {
    "layers": Choice(BY_DEPTH, source="Jha 2019, the published code"),
    "depth": When("layers", BY_DEPTH, Int(SHALLOWEST, DEEPEST, source=OURS)),
    "width": When("layers", BY_DEPTH, Float(0.125, 2.0, log=True, source=OURS)),
    "norm": When("layers", BY_DEPTH, Choice(NORMS, source=COMPONENTS)),
    "activation": Choice(ACTIVATIONS, source=OURS),
    "output_activation": Choice(OUTPUT_ACTIVATIONS, source=SETTINGS),
    "dropout": Float(0.0, 0.5, source=f"{COMPONENTS}; range: {OURS}"),
    **FULL_TRAINING,
}
"""The same, wider: what a practitioner of today would search."""

TODAY: dict[str, Value] = {
    "loss": "mae",
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "epochs": 60,
    "weight_decay": 1e-2,
    "batch_size": 256,
}
"""How a network of the full space is trained that is tried second: see ``family.Family.starts``.

Found by searches on the validation part of fold 0 of mp_e_form (benchmarks/folds.py).
"""

STACK_OF_TODAY: Config = {
    "layers": None,
    "depth": 8,
    "width": 1.0,
    "norm": None,
    "activation": "silu",
    "output_activation": None,
    "dropout": 0.0,
    **TODAY,
}

BEST_2019: Config = {
    "layers": None,
    "depth": 17,
    "width": 1.0,
    "norm": "before",
    "activation": "relu",
    "output_activation": None,
    "loss": "mae",
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "batch_size": 64,
}
"""The hyperparameters reported best (4, Experimental Settings); for the depth see ``irnet``."""


def complete(config: Config) -> dict[str, Value]:
    """The config with the parameters a published space does not have."""
    whole = {**UNSTATED, **config}
    if config.get("optimizer") != "momentum" and "momentum" not in config:
        del whole["momentum"]
    return whole


def runs_of(config: Config, shortcut: Shortcut) -> tuple[Run, ...]:
    """The hidden layers a checked config describes, by its ``layers`` or its depth and width."""
    given = complete(config)
    if given["layers"] is not None:
        return parse(str(given["layers"]))
    depth, width = cast(int, given["depth"]), float(cast(float, given["width"]))
    dropout = float(cast(float, given["dropout"])) > 0
    return tapered(depth, width, shortcut, cast(Norm | None, given["norm"]), dropout)


_AROUND: dict[Shortcut, str] = {
    "layer": "a shortcut around each layer (an R before the x)",
    "block": "a shortcut around each block (an R behind the number)",
    "none": "no shortcuts (no R)",
}
_OF_SHORTCUT: dict[Shortcut, str] = {"layer": "irnet", "block": "srnet", "none": "plain_mlp"}


def in_layers(shortcut: Shortcut) -> Callable[[Config], str]:
    """A config's network in the notation of IRNet's published code; see ``family.Family``."""
    return lambda config: written(runs_of(config, shortcut))


def beside_layers(space: Space) -> dict[str, Any]:
    """The dropout that texts in ``layers`` leave: 0 without a D in them, above 0 with one.

    Raises:
        InputError: they leave one, and other networks of the space another.
    """
    networks, dropout = space.parameters["layers"], space.parameters.get("dropout")
    assert not isinstance(dropout, When)
    described = networks.options if isinstance(networks, Choice) else ()
    dropped = {_drops(text) for text in described if isinstance(text, str)}
    if dropout is None or not dropped:
        return {}
    values = dropout.options if isinstance(dropout, Choice) else (dropout.low, dropout.high)
    if len(dropped) == 1 and {value != 0 for value in values} == dropped:
        return {}
    if len(dropped) > 1 or None in described:
        raise InputError(
            "Of the networks in 'layers' some have dropout (D), and some have none or leave it "
            "open.",
            "Give --set space.dropout=0 for none, or search those with D in a study of their own.",
        )
    if dropped == {False}:
        return {"dropout": 0.0}
    if isinstance(dropout, Choice):
        return {"dropout": [value for value in values if value != 0]}
    return {"dropout": {"low": LEAST_DROPOUT, "high": float(dropout.high)}}


def check_shortcuts(shortcut: Shortcut) -> Callable[[Config], None]:
    """The check of a family whose layers have such shortcuts; see ``family.Family``.

    A text in ``layers`` that has others describes another family's network, and would be ranked by
    the wrong name.
    """

    def check(config: Config) -> None:
        check_stack(config)
        layers = config.get("layers")
        if not isinstance(layers, str):
            return
        kinds = {run.shortcut for run in parse(layers)}
        found = next(kind for kind in ("layer", "block", "none") if kind in kinds)
        if found != shortcut:
            raise InputError(
                f"The layers '{layers}' have {_AROUND[found]}, and this family "
                f"{_AROUND[shortcut]}.",
                f"That network is of the family {_OF_SHORTCUT[found]}.",
            )

    return check


def check_stack(config: Config) -> None:
    """Refuse a config no stack of fully connected layers can be trained from.

    Raises:
        InputError: names the parameter that is missing, unknown or beyond its limits.
    """
    whole = complete(config)
    layers, limits = whole["layers"], STACK
    if isinstance(layers, str):
        limits = STACK.replace("layers", layers)
        dropout = _drops(layers)
        if dropout and not whole["dropout"]:
            raise InputError(
                f"The layers '{layers}' have dropout (D), but 'dropout' is 0.",
                "Give dropout a value, as in --preset full --set space.dropout=0.1",
            )
        if whole["dropout"] and not dropout:
            raise InputError(
                f"'dropout' is {whole['dropout']}, but the layers '{layers}' have none (D).",
                "Type: --set space.dropout=0, or write D where it belongs.",
            )
    limits.check(whole)


def _drops(layers: str) -> bool:
    return any(run.dropout for run in parse(layers))


def check_net(config: Config, limits: Space) -> None:
    """Refuse a config of a network that is no stack; ``limits`` include ``TRAINING``.

    Raises:
        InputError: names the parameter that is missing, unknown or beyond its limits.
    """
    whole = complete(config)
    limits.check(
        {name: whole[name] for name in whole if name in config or name in limits.parameters}
    )


def epochs(config: Config) -> int | None:
    """The end of a trial whose learning rate comes to an end; None without such a schedule."""
    found = config.get("epochs")
    assert found is None or isinstance(found, int)
    return found
