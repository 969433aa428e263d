"""The optimizer of a stage, and which parameters have weight decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainers.learning.recipe import Optimizer, Stage


def parameter_groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights have decay: what is called so and has dimensions, 5 of latent weights (bases,
    filters, kernel, kernel, channels), 4 of real convolutions, 2 of linear layers. Norms, scales,
    shifts, gates and thresholds are called otherwise or are vectors, and have none."""
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        decays = name.endswith("weight") and parameter.ndim >= 2
        (weights if decays else others).append(parameter)
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def optimizer_of(module: nn.Module, stage: Stage, momentum: float) -> torch.optim.Optimizer:
    groups = parameter_groups(module, stage.decay)
    match stage.optimizer:
        case Optimizer.SGD:
            return torch.optim.SGD(groups, stage.rate, momentum)
        case Optimizer.ADAM:
            return torch.optim.Adam(groups, stage.rate)
