"""What each op means, written to be read. Every kernel must agree with this file bit for bit.

Nothing here is fast, and nothing but a test or the check of a benchmark should call it. Signs are
arrays of +1 and -1, not packed; shapes are those of `kernels.ops`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.binary import Constants
from kernels.ops import Affine, BinaryConv, Curve, RealConv, Residual, Stem

Signs = NDArray[np.int8]
Floats = NDArray[np.float32]


def pairs(op: BinaryConv) -> list[tuple[int, int]]:
    """Which input meets which base, in the order of the results."""
    if op.own:
        return [(i, i) for i in range(op.bases)]
    return [(i, b) for i in range(op.inputs) for b in range(op.bases)]


def dots(op: BinaryConv, x: Signs, w: Signs) -> NDArray[np.int32]:
    """The dot products: x (inputs, batch, height, width, channels) of +-1 and
    w (bases, filters, kernel, kernel, channels) of +-1 give
    (pairs, batch, out height, out width, filters).

    The border is padded with +1: a binary activation has no zero.
    """
    p, k, s, d = op.padding, op.kernel, op.stride, op.dilation
    around = [(0, 0), (0, 0), (p, p), (p, p), (0, 0)]
    padded = np.pad(x, around, constant_values=1).astype(np.int32)
    batch = x.shape[1]
    out = np.empty((op.pairs, batch, op.out_height, op.out_width, op.filters), np.int32)
    for (pair, (i, b)), row, column in (
        (pair, row, column)
        for pair in enumerate(pairs(op))
        for row in range(op.out_height)
        for column in range(op.out_width)
    ):
        top, left = row * s, column * s
        field = padded[i, :, top : top + d * k : d, left : left + d * k : d]
        out[pair, :, row, column] = np.einsum("nyxc,fyxc->nf", field, w[b].astype(np.int32))
    return out


def bend(y: Floats, slope: Floats | np.float32) -> Floats:
    """PReLU: a negative number is multiplied by the slope."""
    return np.where(y < 0, y * slope, y).astype(np.float32)


def epilogue(
    op: BinaryConv | RealConv | Stem | Affine,
    d: NDArray[np.int32] | Floats,
    c: Constants,
    residual: Floats | None = None,
) -> Floats:
    """From sums to float32, (sets, batch, height, width, filters): a rounding a step."""
    after = op.after
    total: Floats | None = None
    every = []
    for pair, sums in enumerate(d):
        y = sums.astype(np.float32)
        if after.inner != Curve.NONE:
            relu = after.inner == Curve.RELU
            y = bend(y, np.float32(0) if relu else _given(c.slope)[pair])
        y = y * _given(c.scale)[pair]
        y = y + _given(c.shift)[pair]
        if after.residual == Residual.EACH:
            y = y + _given(residual)[pair] * _given(c.each)[pair]
        total = y if total is None else total + y
        every.append(y)
    result = np.stack([_given(total)] if after.sum else every)
    if after.residual == Residual.ONE:
        result = result + _given(residual)[0]
    if after.outer is not None:
        wide = (slice(None), None, None, None)
        result = result + _given(c.before)[wide]
        if after.outer != Curve.NONE:
            relu = after.outer == Curve.RELU
            result = bend(result, np.float32(0) if relu else _given(c.curve)[wide])
        result = result + _given(c.after)[wide]
    assert result.dtype == np.float32
    return result


def signs(op: BinaryConv, y: Floats, c: Constants) -> Signs:
    """(sets, signs, batch, height, width, filters): -1 where a value is below its threshold."""
    thresholds = _given(c.thresholds)[:, :, None, None, None]
    return np.where(y[:, None] < thresholds, -1, 1).astype(np.int8)


def _given(array: Floats | None) -> Floats:
    assert array is not None, "the epilogue uses a constant that was not given"
    return array
