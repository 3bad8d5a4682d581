"""A trained network with its scaling as one torch module, which can leave fesearch."""

from collections.abc import Sequence

import torch
from torch import nn

from fesearch.scaling import Scaling


class Whole(nn.Module):
    """Features (n, d) float32 -> predictions (n,) float64 in the unit of the target.

    It is ``Scaling`` in torch around the network: a feature that is not finite becomes 0.
    """

    x_mean: torch.Tensor
    x_factor: torch.Tensor
    y_offset: torch.Tensor
    y_scale: torch.Tensor

    def __init__(self, net: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        for name, array in scaling.arrays().items():
            self.register_buffer(name, torch.tensor(array))
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = (x - self.x_mean) * self.x_factor
        known = torch.where(scaled.isfinite(), scaled, torch.zeros_like(scaled))
        y: torch.Tensor = self.net(known).double() * self.y_scale + self.y_offset
        return y


class WholeMean(nn.Module):
    """The mean of several, as ``folds.Mean`` is of predictors."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([one(x) for one in self.each]).mean(dim=0)
