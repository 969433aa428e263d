"""A moving average of a module's weights, and of its running statistics with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Begins as what the module is. The first steps count more, or that would never be forgotten:
    step t moves it by 1 - min(decay, (1 + t) / (10 + t))."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: _own(value) for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        towards = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.tensors[name].lerp_(value, towards)
            else:
                self.tensors[name].copy_(value)

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, value in tensors.items():
            self.tensors[name].copy_(value)


def _own(value: Tensor) -> Tensor:
    return value.detach().clone()
