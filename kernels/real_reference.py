"""What the real-valued ops mean, as `kernels.reference` says it of the binary ones.

Maps are `(sets, batch, height, width, channels)` of float32. Sums over a window or a vector are
made in float64 and rounded once: a kernel is as near to that as float32 sums are. Mixes, and all
that an epilogue does (`reference.epilogue`), are float32 operations in the order written here, each
rounded: of those a kernel has every bit.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.ops import (
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
    Stem,
)

Floats = NDArray[np.float32]
Numbers = NDArray[Any]


def real_conv(op: RealConv, x: Numbers, w: Numbers) -> Floats:
    """w: (filters, kernel, kernel, channels / groups), for every map. The border is 0."""
    p, k, s, d = op.padding, op.kernel, op.stride, op.dilation
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (p, p), (p, p), (0, 0)])
    taken, made = op.channels // op.groups, op.filters // op.groups
    out = np.empty((*x.shape[:2], op.out_height, op.out_width, op.filters), np.float64)
    for row, column in product(range(op.out_height), range(op.out_width)):
        top, left = row * s, column * s
        field = padded[:, :, top : top + d * k : d, left : left + d * k : d]
        for group in range(op.groups):
            part = field[..., group * taken : (group + 1) * taken]
            mine = slice(group * made, (group + 1) * made)
            out[:, :, row, column, mine] = np.einsum("inyxc,fyxc->inf", part, w[mine])
    return out.astype(np.float32)


def stem(op: Stem, x: NDArray[np.uint8], w: NDArray[np.int16], mean: Floats) -> Floats:
    """w: (filters, kernel, kernel, channels); mean: (channels,). Up to the epilogue."""
    sums = real_conv(op.as_conv(), x - mean.astype(np.float64), w)
    pooling = op.as_pool()
    return sums if pooling is None else pool(pooling, sums)


def pool(op: Pool, x: Floats) -> Floats:
    """What lies over the border does not count."""
    out = np.empty((*x.shape[:2], op.out_height, op.out_width, op.channels), np.float32)
    for row, column in product(range(op.out_height), range(op.out_width)):
        top, left = (at * op.stride - op.padding for at in (row, column))
        field = x[:, :, max(top, 0) : top + op.kernel, max(left, 0) : left + op.kernel]
        if op.kind is Pooling.MAX:
            out[:, :, row, column] = field.max((2, 3))
        else:
            out[:, :, row, column] = field.astype(np.float64).mean((2, 3))
    return out


def global_pool(op: GlobalPool, x: Floats) -> Floats:
    out: Floats = x.astype(np.float64).mean((2, 3), keepdims=True).astype(np.float32)
    return out


def mix(op: Mix, x: Floats, *, blend: Floats | None = None, sums: Floats | None = None) -> Floats:
    """blend: c of a gate, one for each branch it has, or m of a route; sums: w of a sum."""
    match op.kind:
        case Blend.MEAN | Blend.LAMBDA:
            return _weighted(x, sums)[None]
        case Blend.GATE:
            assert blend is not None
            aggregate, one = _weighted(x, sums), np.float32(1)
            gated = [c * b + (one - c) * aggregate for c, b in zip(blend, x, strict=False)]
            return np.stack([*gated, *[aggregate] * op.outputs][: op.outputs])
        case Blend.ROUTE:
            assert blend is not None
            return np.stack([_weighted(x, row) for row in blend])


def _weighted(x: Floats, weights: Floats | None) -> Floats:
    """Without weights the mean: the sum over the number of maps."""
    terms = x if weights is None else [b * w for b, w in zip(x, weights, strict=True)]
    total: Floats = terms[0]
    for term in terms[1:]:
        total = total + term
    return total / np.float32(len(x)) if weights is None else total


def skip(op: Skip, x: Floats, onto: Floats | None = None) -> Floats:
    sized = np.empty((*x.shape[:2], op.out_height, op.out_width, op.channels), np.float32)
    for row, column in product(range(op.out_height), range(op.out_width)):
        rows = _stretch(row, op.height, op.out_height)
        columns = _stretch(column, op.width, op.out_width)
        sized[:, :, row, column] = x[:, :, rows, columns].astype(np.float64).mean((2, 3))
    sized = sized[..., np.arange(op.filters) % op.channels]
    return sized if onto is None else onto + sized


def _stretch(place: int, size: int, out: int) -> slice:
    """The part of a side of `size` that place `place` of `out` stands for."""
    return slice(place * size // out, -(-(place + 1) * size // out))


def resize(op: Resize, x: Floats) -> Floats:
    """Pixels are squares; what is beyond the centre of the last is as the last."""
    up, down, rest = _between(op.height, op.out_height)
    rows = x[:, :, up] * (1 - rest)[:, None, None] + x[:, :, down] * rest[:, None, None]
    left, right, rest = _between(op.width, op.out_width)
    both = rows[:, :, :, left] * (1 - rest)[:, None] + rows[:, :, :, right] * rest[:, None]
    out: Floats = both.astype(np.float32)
    return out


def _between(
    size: int, out: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For each place: the two it lies between, and how far from the first."""
    at = np.clip((np.arange(out) + 0.5) * size / out - 0.5, 0, size - 1)
    first = np.floor(at).astype(np.int64)
    return first, np.minimum(first + 1, size - 1), at - first


def linear(op: Linear, x: Floats, w: Floats, bias: Floats) -> Floats:
    """x: (batch, channels); w: (filters, channels)."""
    out: Floats = (x.astype(np.float64) @ w.T + bias).astype(np.float32)
    return out
