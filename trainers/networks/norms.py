"""Batch norm over one map of one branch, the same on one process and on several.

On several processes the statistics are of all their images together: so a batch that is divided
among them is normalised as a whole one would be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

EPSILON = 1e-5


class Norm(NamedTuple):
    """One row of a norm's parameters: all of length channels."""

    gamma: Tensor
    beta: Tensor
    mean: Tensor
    variance: Tensor


def batch_norm(x: Tensor, norm: Norm, move: float, alone: bool = False) -> Tensor:
    """By the statistics of this batch; the running ones move by `move` towards them, in place."""
    if not alone and dist.is_initialized() and dist.get_world_size() > 1:
        return _together(x.float() if x.dtype is torch.bfloat16 else x, norm, move).to(x.dtype)
    mean, variance = (norm.mean, norm.variance) if move else (None, None)
    return F.batch_norm(x, mean, variance, norm.gamma, norm.beta, True, move, EPSILON)


def _together(x: Tensor, norm: Norm, move: float) -> Tensor:
    """Sums of all processes: first of x, then of its squared distance from their mean."""
    count = x.numel() // x.shape[1] * dist.get_world_size()
    mean = _summed(x.sum((0, 2, 3))) / count
    away = x - mean[:, None, None]
    variance = _summed(away.square().sum((0, 2, 3))) / count
    if move:
        norm.mean.lerp_(mean.detach(), move)
        norm.variance.lerp_(variance.detach() * (count / (count - 1)), move)
    scale = norm.gamma / (variance + EPSILON).sqrt()
    return away * scale[:, None, None] + norm.beta[:, None, None]


class _Sum(Function):
    """Over all processes; and their gradients are summed on the way back."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        total = mine.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


def _summed(mine: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(mine)  # type: ignore[no-untyped-call]
    return total
