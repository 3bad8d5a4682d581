"""Torch's optimizers in their functional forms, with torch's defaults.

The arithmetic is torch's, bit for bit. What is left out are the classes of ``torch.optim``: the
first of them to be made imports torch's compiler, two seconds of every new process, and each step
gathers anew what it works on, which for a small network takes as long as its matrix products.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch.optim.adadelta import adadelta
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

STATE: Mapping[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum_buffer",),
    "adam": ("step", "exp_avg", "exp_avg_sq"),
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "rmsprop": ("step", "square_avg"),
    "adadelta": ("step", "square_avg", "acc_delta"),
}
"""Optimizer -> what it keeps of each weight, in torch's words."""

FUSED = ("sgd", "momentum", "adam", "adamw")
"""Those that torch updates in one pass over all weights, on a CPU too.

Their learning rate may be a tensor, which on CUDA is read on the device.
"""

_Held = list[torch.Tensor | None]
_Rate = float | torch.Tensor
_Update = Callable[[list[torch.Tensor], list[torch.Tensor], dict[str, Any], _Rate], None]


class Optimizer:
    """One of ``STATE``.

    Args:
        kind: its name.
        weights: that it trains; those without a gradient are left as they are.
        decay: of the weights, as a penalty, or for adamw decoupled from the gradient.
        momentum: of "momentum" alone.
    """

    def __init__(
        self, kind: str, weights: Iterable[torch.Tensor], *, decay: float, momentum: float = 0.0
    ) -> None:
        self._weights = list(weights)
        self._update = _update(kind, decay, momentum)
        fused = kind in FUSED
        self._state: dict[str, _Held] = {
            name: [_beginning(name, weight, fused) for weight in self._weights]
            for name in STATE[kind]
        }
        self._began = False

    def clear(self) -> None:
        """Drop all gradients."""
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, rate: _Rate) -> None:
        """Change the weights by their gradients, at a learning rate; a tensor is for ``FUSED``."""
        self._began = True
        gradients = [weight.grad for weight in self._weights]
        if all(gradient is not None for gradient in gradients):
            self._update(self._weights, gradients, self._state, rate)  # type: ignore[arg-type]
            return
        used = [place for place, gradient in enumerate(gradients) if gradient is not None]
        part = {name: [held[place] for place in used] for name, held in self._state.items()}
        self._update(
            [self._weights[place] for place in used],
            [gradients[place] for place in used],  # type: ignore[misc]
            part,
            rate,
        )
        for name, held in part.items():
            for place, value in zip(used, held, strict=True):
                self._state[name][place] = value

    def state(self) -> dict[str, torch.Tensor]:
        """What is kept of each weight, as "0.exp_avg"; nothing before the first step."""
        if not self._began:
            return {}
        return {
            f"{place}.{name}": value
            for name, held in self._state.items()
            for place, value in enumerate(held)
            if value is not None
        }

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on with a state that ``state`` gave."""
        self._began = bool(state)
        for key, value in state.items():
            place, name = key.split(".")
            now = self._state[name][int(place)]
            device = self._weights[int(place)].device if now is None else now.device
            self._state[name][int(place)] = value.to(device)


def _beginning(name: str, weight: torch.Tensor, fused: bool) -> torch.Tensor | None:
    if name == "momentum_buffer":
        return None  # the first gradient will be
    if name == "step":
        return torch.zeros((), device=weight.device if fused else None)
    return torch.zeros_like(weight, memory_format=torch.preserve_format)


def _update(kind: str, decay: float, momentum: float) -> _Update:
    """The rule, with the defaults of its class in torch."""
    rule: Callable[..., None]
    if kind in ("adam", "adamw"):
        rule = partial(
            adam,
            fused=True,
            decoupled_weight_decay=kind == "adamw",
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=decay,
            maximize=False,
        )
        return lambda weights, gradients, held, rate: rule(
            weights,
            gradients,
            held["exp_avg"],
            held["exp_avg_sq"],
            [],
            held["step"],
            lr=rate,
        )
    if kind == "rmsprop":
        rule = partial(
            rmsprop, alpha=0.99, eps=1e-8, weight_decay=decay, momentum=0, centered=False
        )
        return lambda weights, gradients, held, rate: rule(
            weights, gradients, held["square_avg"], [], [], held["step"], lr=rate
        )
    if kind == "adadelta":
        rule = partial(adadelta, rho=0.9, eps=1e-6, weight_decay=decay, maximize=False)
        return lambda weights, gradients, held, rate: rule(
            weights, gradients, held["square_avg"], held["acc_delta"], held["step"], lr=rate
        )
    rule = partial(
        sgd,
        fused=True,
        weight_decay=decay,
        momentum=momentum if kind == "momentum" else 0.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
    )
    return lambda weights, gradients, held, rate: rule(
        weights,
        gradients,
        held.get("momentum_buffer", []),
        lr=rate,  # type: ignore[arg-type]  # its fused kernel takes a tensor too
    )
