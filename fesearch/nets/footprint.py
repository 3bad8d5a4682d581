"""What training a network takes of its GPU's memory, found out before anything is there.

A step is made on torch's "meta" device, whose tensors have shapes and no numbers: it takes no GPU
and next to no time.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from fesearch.family import Family
from fesearch.nets.optimizer import STATE
from fesearch.nets.train import CHUNK, NetLearner
from fesearch.space import Config
from fesearch.split import Development

META = "meta"


def footprint(family: Family, config: Config, data: Development) -> int | None:
    """Bytes that the tensors of a training take at least, of which CUDA's own are none.

    They are the rows; weights, gradients and what the optimizer keeps, of each inner fold; and what
    a batch leaves for the way back, or a chunk of predictions takes, whichever is more.

    Returns:
        None for a family that is no network of ours, whose learner says nothing of it.
    """
    few = Development(data.train_x[:2], np.arange(2.0), data.val_x[:1], data.val_y[:1])
    with torch.device(META):
        learner = family.build(config, few, seed=0, threads=1, device=META)
        if not isinstance(learner, NetLearner):
            return None
        net, rows = learner.net, len(data.train_y)
        step = _saved(net, torch.empty(min(learner.batch_size, rows), data.width))
        chunk = _widest(net, torch.empty(min(CHUNK, len(data.val_y)), data.width))
    kept = sum(name != "step" for name in STATE[str(config["optimizer"])])
    folds = 1 if data.folds is None else int(data.folds.max()) + 1
    weights = _bytes(net.parameters()) * (2 + kept) + _bytes(net.buffers())
    held = 4 * (data.train_x.size + rows + (data.val_x.size if data.folds is None else 0))
    return held + folds * weights + max(step, chunk)


def _saved(net: nn.Module, x: torch.Tensor) -> int:
    """Bytes that a batch leaves for the way back, beside the weights."""
    weights = {one.untyped_storage()._cdata for one in net.parameters()}
    found: dict[int, torch.Tensor] = {}  # held, so that no storage takes the place of another

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage()._cdata] = tensor
        return tensor

    net.train()
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        net(x)
    return sum(one.untyped_storage().nbytes() for at, one in found.items() if at not in weights)


def _widest(net: nn.Module, x: torch.Tensor) -> int:
    """Bytes of what goes into and comes out of the widest layer, where nothing is kept."""
    widest = 0

    def look(module: nn.Module, given: tuple[object, ...], found: object) -> None:
        nonlocal widest
        tensors = [one for one in (*given, found) if isinstance(one, torch.Tensor)]
        widest = max(widest, _bytes(tensors))

    hooks = [one.register_forward_hook(look) for one in net.modules()]
    net.eval()
    with torch.inference_mode():
        net(x)
    for hook in hooks:
        hook.remove()
    return widest


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)
