"""Binary convolutions that learn on a CPU: product, curve, norm and shortcut in a few passes.

What `layers`, `norms` and `epilogue` say in torch, `kernels.learning` computes in float32: the same
values but for the order of sums. The signs of a map are taken by the convolution that reads it, and
kept as bits; what is kept of its products are whole numbers. So a convolution is given the map
itself, and the estimator that stands for the derivative of its signs.

Sums are the same for any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from kernels import learning
from kernels.learning import Products
from kernels.ops import BinaryConv, Blend, Curve, Mix
from trainers.networks import layers
from trainers.networks.binarize import Estimator
from trainers.networks.layers import Maps
from trainers.networks.mode import Mode
from trainers.networks.norms import EPSILON, Norm

VECTOR = 8  # numbers; the size of a map that is blended is a multiple of it
ESTIMATORS = (Estimator.IDENTITY, Estimator.CLIPPED, Estimator.POLYNOMIAL)


def serves(x: Tensor, mode: Mode) -> bool:
    """Whether what reads this map learns here, or takes the statistics of its norms."""
    learns = mode.statistics is not None and mode.binary and mode.signs
    one = mode.alone or not dist.is_initialized() or dist.get_world_size() == 1
    plain = x.dtype is torch.float32 and x.device.type == "cpu"
    return learns and one and plain and not torch.is_autocast_enabled("cpu")


def takes(op: BinaryConv) -> bool:
    """Whether there are kernels for it. A norm is right behind its curve then."""
    return op.after.inner in (Curve.NONE, Curve.RELU) and learning.learns(op)


@dataclass(frozen=True, slots=True)
class Call:
    """What a convolution is told beside its tensors.

    shortcut  for each pair, whether its input is its residual too
    norms     one for each pair, or one for all of them
    """

    op: BinaryConv
    estimator: Estimator
    shortcut: tuple[bool, ...]
    norms: tuple[Norm, ...]
    move: float

    def input(self, pair: int) -> int:
        return pair if self.op.own else pair // self.op.bases

    def base(self, pair: int) -> int:
        return pair if self.op.own else pair % self.op.bases


def convolved(
    op: BinaryConv,
    x: Maps,
    estimator: Estimator,
    weights: Tensor,
    norms: list[Norm],
    residual: Maps | None,
    move: float,
) -> Maps:
    """norm(curve(convolution of the signs of x)) + residual, a map for each pair.

    weights   (bases, filters, kernel, kernel, channels); those of a filter are all of one size
    residual  one for each pair, or one for all
    """
    given = [] if residual is None else residual * (op.pairs // len(residual))
    inputs = x if op.own else [a for a in x for _ in range(op.bases)]
    shortcut = tuple(a is r for a, r in zip(inputs, given, strict=False)) or (False,) * op.pairs
    call = Call(op, estimator, shortcut, tuple(norms), move)
    gamma, beta = (torch.stack([norm[part] for norm in norms]) for part in (0, 1))
    apart = [r for r, same in zip(given, shortcut, strict=False) if not same]
    maps: tuple[Tensor, ...] = _Fused.apply(call, weights, gamma, beta, *x, *apart)  # type: ignore[no-untyped-call]
    return list(maps)


class _Fused(Function):
    @staticmethod
    def forward(
        ctx: Any, call: Call, weights: Tensor, gamma: Tensor, beta: Tensor, *maps: Tensor
    ) -> tuple[Tensor, ...]:
        op, threads = call.op, torch.get_num_threads()
        x, apart = maps[: op.inputs], list(maps[op.inputs :])
        ctx.apart = len(apart)
        relu = op.after.inner is Curve.RELU
        products = [
            Products(
                op,
                array(weights[call.base(n)]),
                pixels(x[call.input(n)]),
                relu=relu,
                threads=threads,
            )
            for n in range(op.pairs)
        ]
        scale = weights[..., 0, 0, 0].abs().double()
        scale = torch.stack([scale[call.base(n)] for n in range(op.pairs)])
        sums = torch.from_numpy(np.stack([p.sums for p in products])).double()
        count = products[0].dots.size // op.filters
        mean, inverse = _statistics(call, sums[:, 0] * scale, sums[:, 1] * scale.square(), count)
        slope = gamma.double() * inverse
        factor = (slope * scale).float()
        add = (beta.double() - mean * slope).expand_as(scale).float()
        out = []
        for n, p in enumerate(products):
            residual = x[call.input(n)] if call.shortcut[n] else apart.pop(0) if apart else None
            y = blank(*p.dots.shape)
            shortcut = None if residual is None else pixels(residual)
            p.finish(array(factor[n]), array(add[n]), shortcut, pixels(y))
            out.append(y)
        ctx.save_for_backward(gamma, *x)
        ctx.call, ctx.products = call, products
        ctx.scale, ctx.mean, ctx.inverse = scale, mean, inverse
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        call, products, (gamma, *x) = ctx.call, ctx.products, ctx.saved_tensors
        grads = tuple(g.contiguous(memory_format=torch.channels_last) for g in grads)
        sums = torch.from_numpy(
            np.stack([p.reduce(pixels(g)) for p, g in zip(products, grads, strict=True)])
        )
        by, d_gamma, d_beta = _by(ctx, gamma.double(), sums)
        scale = ctx.scale.float()
        dx = [blank_like(a) for a in x]
        dw = torch.zeros(call.op.bases, *products[0].weights.shape[:-1], call.op.channels)
        seen: set[int] = set()
        for n, (p, g) in enumerate(zip(products, grads, strict=True)):
            i = call.input(n)
            part = p.backward(
                pixels(g),
                array(by[n]),
                array(scale[n]),
                pixels(x[i]),
                estimator=call.estimator.value,
                shortcut=call.shortcut[n],
                more=i in seen,
                dx=pixels(dx[i]),
            )
            seen.add(i)
            dw[call.base(n)] += torch.from_numpy(part)
        apart = [g for g, same in zip(grads, call.shortcut, strict=True) if not same]
        return None, dw, d_gamma, d_beta, *dx, *apart[: ctx.apart]


def _statistics(call: Call, sums: Tensor, squares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean and 1 / deviation, (norms, filters) in float64; the running ones move."""
    if len(call.norms) < len(sums):
        count *= len(sums)
        sums, squares = sums.sum(0, keepdim=True), squares.sum(0, keepdim=True)
    mean = sums / count
    variance = (squares / count - mean.square()).clamp_min(0)
    for norm, m, v in zip(call.norms, mean, variance, strict=True):
        if call.move:
            norm.mean.lerp_(m.float(), call.move)
            norm.variance.lerp_((v * (count / (count - 1))).float(), call.move)
    return mean, (variance + EPSILON).rsqrt()


def _by(ctx: Any, gamma: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """From the sums of the gradient g and of g r(d), with u = (scale r(d) - mean) / deviation: the
    gradients of gamma, sum(g u), and of beta, sum(g); and of the products

        gamma / deviation * (g - mean(g) - u mean(g u))

    as factors of g, 1 and r(d): (pairs, 3, filters).
    """
    scale, mean, inverse = ctx.scale, ctx.mean, ctx.inverse
    count = ctx.products[0].dots.size // scale.shape[1]
    d_beta, d_gamma = sums[:, 0], (sums[:, 1] * scale - mean * sums[:, 0]) * inverse
    if len(mean) < len(scale):
        count *= len(scale)
        d_beta, d_gamma = d_beta.sum(0, keepdim=True), d_gamma.sum(0, keepdim=True)
    slope = gamma * inverse
    by = (slope, slope * (mean * inverse * d_gamma - d_beta) / count)
    by_r = -slope * inverse * d_gamma / count * scale
    joint = torch.stack([part.expand_as(scale) for part in (*by, by_r)], 1)
    return joint.float(), d_gamma.float(), d_beta.float()


def mixed(op: Mix, maps: Maps, *, blend: Tensor | None, sums: Tensor | None) -> Maps:
    """See `layers.mix`."""
    even = maps[0].new_full((op.inputs,), 1 / op.inputs)
    aggregate = (even if sums is None else sums)[None]
    match op.kind:
        case Blend.MEAN | Blend.LAMBDA:
            return weighted(maps, aggregate)
        case Blend.GATE:
            assert blend is not None
            own, c = torch.eye(op.inputs)[: len(blend)], blend[:, None]
            rows = c * own + (1 - c) * aggregate
            every = weighted(maps, torch.cat([rows, aggregate]) if op.outputs > len(rows) else rows)
            return every + every[-1:] * (op.outputs - len(every))
        case Blend.ROUTE:
            assert blend is not None
            return weighted(maps, blend)


def weighted(maps: Maps, factors: Tensor) -> Maps:
    """For each row of the factors (outputs, maps) the sum of the maps by them.

    In torch where a map does not fill whole vectors: the kernels have no end for the rest.
    """
    if maps[0].numel() % VECTOR:
        return [layers.weighted(maps, row) for row in factors]
    out: tuple[Tensor, ...] = _Weighted.apply(factors, *maps)  # type: ignore[no-untyped-call]
    return list(out)


class _Weighted(Function):
    @staticmethod
    def forward(ctx: Any, factors: Tensor, *maps: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(factors, *maps)
        out = [blank_like(maps[0]) for _ in factors]
        given, to = [pixels(x) for x in maps], [pixels(y) for y in out]
        learning.blend(given, array(factors), to, threads=torch.get_num_threads())
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        factors, *maps = ctx.saved_tensors
        dx = [blank_like(x) for x in maps]
        given, wanted, to = ([pixels(x) for x in part] for part in (maps, grads, dx))
        threads = torch.get_num_threads()
        sums = learning.blend_backward(given, wanted, array(factors), to, threads=threads)
        return torch.from_numpy(sums).float(), *dx


def blank(batch: int, height: int, width: int, channels: int) -> Tensor:
    """A map that nothing is written to yet."""
    return torch.empty(batch, height, width, channels).permute(0, 3, 1, 2)


def blank_like(x: Tensor) -> Tensor:
    return blank(*x.permute(0, 2, 3, 1).shape)


def array(x: Tensor) -> NDArray[Any]:
    return x.detach().contiguous().numpy()


def pixels(x: Tensor) -> NDArray[Any]:
    """Channels last, as they lie in memory."""
    return x.detach().permute(0, 2, 3, 1).contiguous().numpy()
