"""ABC-Net (arXiv 1711.11294): several signs of one weight, several signs of one activation.

A real weight W is approximated by a sum of alpha_m B_m, a real activation R by one of beta_n A_n,
so their convolution by M x N binary ones. B_m and alpha_m follow from W; the shifts behind A_n and
the beta_n are parameters of whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function

from trainers.networks.binarize import Estimator, plus_minus, sign


def weight_bases(latent: Tensor, bases: int) -> tuple[Tensor, Tensor]:
    """The bases (bases, filters, kernel, kernel, channels), and their factors (bases,).

    B_m = sign(W - mean(W) + u_m std(W)), over the whole layer, u evenly from -1 to 1; 0 for a
    single one. The gradient of each base is that of W, as if mean and deviation were constants.

    The factors are those of least squares, and constants too: the paper has no gradient through
    them. Bases that coincide share theirs evenly. A factor may be negative.
    """
    if latent.ndim != 4 or bases < 1:
        raise ValueError(
            "1 base or more of a latent weight (filters, kernel, kernel, channels); "
            f"got {bases} of {tuple(latent.shape)}"
        )
    fixed = latent.detach()
    u = torch.linspace(-1, 1, bases) if bases > 1 else torch.zeros(1)
    limits = fixed.mean() - u.to(fixed) * fixed.std(correction=0)
    signs = sign(latent - limits[:, None, None, None, None], Estimator.IDENTITY)
    return signs, _least_squares(signs.detach(), fixed)


def _least_squares(signs: Tensor, latent: Tensor) -> Tensor:
    """By the normal equations: their matrix holds whole numbers, which float32 sums exactly, and
    bf16, where the network learns in that, does not.

    The pseudo-inverse gives the shortest solution, where coinciding bases leave several.
    """
    flat = signs.flatten(1)
    with torch.autocast(flat.device.type, enabled=False):
        products = (flat @ flat.T).double()
    inverse = torch.linalg.pinv(products, hermitian=True)
    ours = (signs * latent).sum((1, 2, 3, 4), dtype=torch.float64)
    factors: Tensor = inverse @ ours
    return factors.to(latent.dtype)


def thresholds(shifts: Tensor) -> Tensor:
    """Where the activation bases change sign: A_n is +1 where R >= 0.5 - v_n."""
    return 0.5 - shifts


def activation_bases(x: Tensor, shifts: Tensor) -> list[Tensor]:
    """A map of +1 and -1 for each shift v.

    The gradient of a base is 1 where 0 <= x + v <= 1, else 0, for x and, summed, for v.
    """
    return [_Step.apply(x, shift) for shift in shifts.unbind()]  # type: ignore[no-untyped-call]


class _Step(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor) -> Tensor:
        ctx.save_for_backward(x, shift)
        return plus_minus(x, thresholds(shift))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, shift = ctx.saved_tensors
        shifted = x + shift
        (grad,) = grads
        grad = shifted.clamp(0, 1).eq_(shifted).mul_(grad)
        return grad, grad.sum()


def first_shifts(most: int) -> Tensor:
    """The shifts to begin with, for `most` bases; the first n of them suit n bases.

    Meant for activations behind a batch norm, about 0 with deviation 1. The thresholds are 0, which
    is the plain sign, then 1, -1, 2, -2: the stretches where a base has a gradient are 1 wide, so
    these lie edge to edge, and every value within 2.5 trains exactly one base. Few values lie
    further out, so any more halve the steps between them: 0.5, -0.5, 1.5, -1.5, and so on.
    """
    if most < 1:
        raise ValueError(f"1 shift or more; got {most}")
    return 0.5 - torch.tensor(list(islice(_spread(), most)))


def _spread() -> Iterator[float]:
    yield from (0.0, 1.0, -1.0, 2.0, -2.0)
    step = 0.5
    while True:
        for odd in range(1, round(2 / step), 2):
            yield odd * step
            yield -odd * step
        step /= 2
