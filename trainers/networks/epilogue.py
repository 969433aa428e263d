"""What follows a product: norm, shortcut, sum, curve. Twice: as it is learnt and as it answers.

`learn` normalises by the batch. `answer` does what `kernels.epilogue` says, rounding by rounding,
with constants that `fold` makes of the norms: what is packed is what answered.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.binary import Constants
from kernels.ops import Affine, BinaryConv, Curve, RealConv, Residual
from search_spaces.plan import Source, Step
from trainers.networks import fused
from trainers.networks.binarize import Estimator
from trainers.networks.layers import Maps
from trainers.networks.mode import Mode
from trainers.networks.norms import EPSILON, Norm, batch_norm
from trainers.networks.parameters import Bank

Ending = BinaryConv | RealConv | Affine  # ops that have an epilogue


def pairs(op: Ending) -> int:
    match op:
        case BinaryConv():
            return op.pairs
        case RealConv():
            return op.inputs
        case Affine():
            return op.sets


def learn(
    step: Step, op: Ending, products: Maps, residual: Maps | None, bank: Bank, mode: Mode
) -> Maps:
    after = op.after
    y = [F.relu(d) for d in products] if after.inner is Curve.RELU else products
    if step.norm is not None and normed_apart(step, op):
        y = _normed(y, step.norm, bank, mode)
    if residual is not None and after.residual is Residual.EACH:
        y = [a + r for a, r in zip(y, residual, strict=True)]
    if after.sum:
        y = [_summed(y, factors(step, op, bank, None))]
        if step.norm is not None and not normed_apart(step, op):
            y = _normed(y, step.norm, bank, mode)
    if step.norm is None and (bias := _bias(step, bank)) is not None:
        y = [a + bias[:, None, None] for a in y]
    if residual is not None and after.residual is Residual.ONE:
        y = [a + residual[0] for a in y]
    return _bent(y, step, op, bank)


def normed_apart(step: Step, op: Ending) -> bool:
    """Each product by itself, or all by one norm; else the sum of them is."""
    return step.norm is not None and (bool(step.norm.bases) or not op.after.sum)


def learn_fused(
    step: Step,
    op: BinaryConv,
    x: Maps,
    estimator: Estimator,
    weights: Tensor,
    residual: Maps | None,
    bank: Bank,
    mode: Mode,
) -> Maps:
    """The convolution of the signs of x with these weights, and what `learn` makes of it."""
    assert step.norm is not None
    assert mode.statistics is not None
    after, later = op.after, op.after.sum and op.after.residual is Residual.ONE
    norms = _norms(step.norm, bank)
    norms = [norms[n % len(norms)] for n in range(op.pairs)] if step.norm.bases else norms
    y = fused.convolved(
        op, x, estimator, weights, norms, None if later else residual, mode.statistics
    )
    if after.sum:
        factor = factors(step, op, bank, None)
        factor = torch.full((len(y),), 1 / len(y)) if factor is None else factor
        y = fused.weighted(y, factor[None])
    if residual is not None and later:
        y = [a + residual[0] for a in y]
    return _bent(y, step, op, bank)


def _norms(source: Source, bank: Bank) -> list[Norm]:
    parts = ("gamma", "beta", "mean", "variance")
    return [Norm(*row) for row in zip(*(bank.rows(source, part) for part in parts), strict=True)]


def _normed(y: Maps, source: Source, bank: Bank, mode: Mode) -> Maps:
    """Each by its own norm, or all by one: then their statistics are of all of them together."""
    move = mode.statistics
    assert move is not None, "the running statistics are for answering"
    norms = _norms(source, bank)
    if not source.bases:
        joint = y[0] if len(y) == 1 else torch.cat(y)
        normed = batch_norm(joint, norms[0], move, mode.alone)
        return [normed] if len(y) == 1 else list(normed.chunk(len(y)))
    return [batch_norm(a, norms[n % len(norms)], move, mode.alone) for n, a in enumerate(y)]


def factors(step: Step, op: Ending, bank: Bank, alphas: Tensor | None) -> Tensor | None:
    """By which each pair enters the sum; None: all by one over their number.

    `alphas` are those of ABC-Net's weight bases, for products that have not got them yet.
    """
    if step.scales is None:
        return None
    if step.scales.latent:
        beta = bank.whole(step.scales, "factor")[: op.inputs]  # type: ignore[union-attr]
        bases = len(step.scales.bases)
        alpha = beta.new_ones(bases) if alphas is None else alphas
        return (beta[:, None] * alpha).flatten()
    factor = bank.rows(step.scales, "factor")
    return factor / len(factor)


def _summed(y: Maps, factor: Tensor | None) -> Tensor:
    if factor is None:
        total = y[0]
        for a in y[1:]:
            total = total + a
        return total / len(y) if len(y) > 1 else total
    total = y[0] * factor[0]
    for a, f in zip(y[1:], factor[1:], strict=True):
        total = total + a * f
    return total


def _bent(y: Maps, step: Step, op: Ending, bank: Bank) -> Maps:
    match op.after.outer:
        case Curve.RELU:
            return [F.relu(a) for a in y]
        case Curve.PRELU:
            assert step.norm is not None
            before, curve, after = (
                bank.rows(step.norm, part) for part in ("before", "curve", "after")
            )
            n = len(before)
            return [
                F.prelu(a + before[i % n, :, None, None], curve[i % n])
                + after[i % n, :, None, None]
                for i, a in enumerate(y)
            ]
        case _:
            return y


def _bias(step: Step, bank: Bank) -> Tensor | None:
    return bank.find(step.source, "bias") if step.source is not None else None


class Folded(NamedTuple):
    """The constants of `kernels.epilogue`, as tensors; shapes as in `kernels.binary.Constants`."""

    scale: Tensor
    shift: Tensor
    slope: Tensor | None = None
    each: Tensor | None = None
    before: Tensor | None = None
    curve: Tensor | None = None
    after: Tensor | None = None

    def constants(self, thresholds: Tensor | None = None) -> Constants:
        arrays = {
            name: None if value is None else value.detach().cpu().numpy()
            for name, value in {**self._asdict(), "thresholds": thresholds}.items()
        }
        return Constants(**arrays)


@torch.no_grad()
def fold(
    step: Step, op: Ending, bank: Bank, scales: Tensor | None, alphas: Tensor | None = None
) -> Folded:
    """Norms, weight scales (bases, filters) and factors of sums, in one scale and one shift.

    In float64, rounded once at the end.
    """
    count, filters = pairs(op), op.channels if isinstance(op, Affine) else op.filters
    sums = factors(step, op, bank, alphas)
    if sums is None:
        share = 1 / count if op.after.sum else 1.0
        sums = torch.full((count,), share, dtype=torch.float64, device=bank.device)
    factor = sums.double()[:, None]
    scale = factor.expand(count, filters)
    shift = torch.zeros_like(scale)
    if step.norm is not None:
        gamma, beta, mean, variance = (
            bank.rows(step.norm, part).double() for part in ("gamma", "beta", "mean", "variance")
        )
        slope = gamma / (variance + EPSILON).sqrt()
        rest = beta - mean * slope
        times = count // len(slope)
        scale = scale * slope.repeat(times, 1)
        if op.after.sum and not step.norm.bases:
            shift = torch.cat([rest, shift[1:]])
        else:
            shift = factor * rest.repeat(times, 1)
    elif (bias := _bias(step, bank)) is not None:
        shift = shift + bias.double()
    if scales is not None:
        scale = scale * scales.double().repeat(count // len(scales), 1)
    each = factor[:, 0].float() if op.after.residual is Residual.EACH else None
    return Folded(scale.float(), shift.float(), None, each, *_curve(step, op, bank, filters))


def _curve(step: Step, op: Ending, bank: Bank, filters: int) -> tuple[Tensor | None, ...]:
    sets = 1 if op.after.sum else pairs(op)
    match op.after.outer:
        case None:
            return None, None, None
        case Curve.PRELU:
            assert step.norm is not None
            rows = [bank.rows(step.norm, part) for part in ("before", "curve", "after")]
            return tuple(row.detach().repeat(sets // len(row), 1) for row in rows)
        case _:
            nothing = torch.zeros(sets, filters, device=bank.device)
            return nothing, None, nothing


def answer(op: Ending, products: Maps, residual: Maps | None, c: Folded) -> Maps:
    """See `kernels.epilogue`: the same steps in the same order, each rounded once."""
    after = op.after
    total: Tensor | None = None
    every: Maps = []
    for n, d in enumerate(products):
        y = _bend(d, after.inner, c.slope, n)
        y = y * c.scale[n, :, None, None]
        y = y + c.shift[n, :, None, None]
        if residual is not None and c.each is not None:
            y = y + residual[n] * c.each[n]
        total = y if total is None else total + y
        every.append(y)
    assert total is not None
    every = [total] if after.sum else every
    if residual is not None and after.residual is Residual.ONE:
        every = [y + residual[0] for y in every]
    if after.outer is None:
        return every
    return [_curved(y, after.outer, c, n) for n, y in enumerate(every)]


def _curved(y: Tensor, outer: Curve, c: Folded, n: int) -> Tensor:
    assert c.before is not None
    assert c.after is not None
    y = y + c.before[n, :, None, None]
    return _bend(y, outer, c.curve, n) + c.after[n, :, None, None]


def _bend(y: Tensor, curve: Curve, slopes: Tensor | None, n: int) -> Tensor:
    match curve:
        case Curve.NONE:
            return y
        case Curve.RELU:
            return F.relu(y)
        case Curve.PRELU:
            assert slopes is not None
            return torch.where(y < 0, y * slopes[n, :, None, None], y)
