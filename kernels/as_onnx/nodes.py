"""Each op as ONNX nodes on float32. Signs are +1 and -1, so a binary convolution is a plain one."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels import bits, reference
from kernels.as_onnx.parts import Parts
from kernels.epilogue import Curve, Residual
from kernels.flow import Value
from kernels.ops import (
    Affine,
    BinaryConv,
    BinaryLinear,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
    Stem,
)
from kernels.parameters import Array, Parameters

Maps = list[str]  # a tensor for each set


def floats(to: Parts, op: Op, given: Parameters, x: Maps, residual: Maps, read: Value) -> Maps:
    """What the op computes before it takes signs; `read` is the form of the maps x."""
    match op:
        case BinaryConv() | RealConv() | Stem() | Affine():
            return _ended(to, op, given, _products(to, op, given, x), residual)
        case BinaryLinear():
            given = {**given, "weights": given["weights"][:, :, None, None]}
            return floats(to, op.as_conv(), given, x, residual, read)
        case Mix():
            return _mixed(to, op, given, x)
        case Linear():  # a convolution whose window is the whole map
            whole = given["weights"].reshape(op.filters, read.height, read.width, read.channels)
            weights = to.constant("weights", whole.transpose(0, 3, 1, 2))
            return [to.add("Conv", x[0], weights, to.constant("bias", given["bias"]))]
        case Pack():
            return x
        case Pool():
            return [_pooled(to, op, one) for one in x]
        case GlobalPool():
            return [to.add("GlobalAveragePool", one) for one in x]
        case Skip():
            sized = [_sized(to, op, one) for one in x]
            return [to.add("Add", one, sized[0]) for one in residual] if op.onto else sized
        case Resize():  # ONNX has one; onnxruntime breaks it where it moves a Transpose past it
            rows = _between(op.height, op.out_height)
            columns = _between(op.width, op.out_width)
            return [_stretched(to, rows, columns, one) for one in x]


def _products(to: Parts, op: Any, given: Parameters, x: Maps) -> Maps:
    match op:
        case BinaryConv():
            return _binary(to, op, given, x)
        case RealConv():
            weights = to.constant("weights", given["weights"].transpose(0, 3, 1, 2))
            return [to.add("Conv", one, weights, **_window(op, op.padding)) for one in x]
        case Stem():
            mean = to.channels("mean", given["mean"])
            taps = given["weights"].astype(np.float32).transpose(0, 3, 1, 2)
            centred, weights = to.add("Sub", x[0], mean), to.constant("weights", taps)
            sums = to.add("Conv", centred, weights, **_window(op.as_conv(), op.padding))
            pooling = op.as_pool()
            return [sums if pooling is None else _pooled(to, pooling, sums)]
        case _:
            return x


def _binary(to: Parts, op: BinaryConv, given: Parameters, x: Maps) -> Maps:
    """Around the map all is +1: that is padded before, for a Conv of ONNX pads with 0."""
    if op.padding:
        pads = to.constant("pads", np.array([0, 0, op.padding, op.padding] * 2, np.int64))
        plus = to.shared("+1", np.array(1, np.float32))
        x = [to.add("Pad", one, pads, plus) for one in x]
    signs = bits.unpack(given["weights"], op.channels).astype(np.float32)
    weights = [to.constant("weights", base.transpose(0, 3, 1, 2)) for base in signs]
    return [
        to.add("Conv", x[i], weights[base], **_window(op, 0)) for i, base in reference.pairs(op)
    ]


def _window(op: BinaryConv | RealConv, padding: int) -> dict[str, Any]:
    return {
        "kernel_shape": [op.kernel] * 2,
        "strides": [op.stride] * 2,
        "dilations": [op.dilation] * 2,
        "pads": [padding] * 4,
        "group": op.groups if isinstance(op, RealConv) else 1,
    }


def _ended(
    to: Parts, op: BinaryConv | RealConv | Stem | Affine, given: Parameters, d: Maps, residual: Maps
) -> Maps:
    """`kernels.epilogue`, step by step, but for the signs."""
    after, pairs = op.after, []
    for pair, y in enumerate(d):
        y = _bent(to, y, after.inner, given.get("slope"), pair)
        y = to.add("Mul", y, to.channels("scale", given["scale"][pair]))
        y = to.add("Add", y, to.channels("shift", given["shift"][pair]))
        if after.residual is Residual.EACH:
            times = to.scalar("each", given["each"][pair])
            y = to.add("Add", y, to.add("Mul", residual[pair], times))
        pairs.append(y)
    if after.sum and len(pairs) > 1:
        pairs = [to.add("Sum", *pairs)]
    if after.residual is Residual.ONE:
        pairs = [to.add("Add", y, residual[0]) for y in pairs]
    if after.outer is None:
        return pairs
    ended = []
    for n, y in enumerate(pairs):
        y = to.add("Add", y, to.channels("before", given["before"][n]))
        y = _bent(to, y, after.outer, given.get("curve"), n)
        ended.append(to.add("Add", y, to.channels("after", given["after"][n])))
    return ended


def _bent(to: Parts, y: str, curve: Curve, slopes: Array | None, n: int) -> str:
    if curve is Curve.PRELU:
        assert slopes is not None
        return to.add("PRelu", y, to.channels("slope", slopes[n]))
    return to.add("Relu", y) if curve is Curve.RELU else y


def _mixed(to: Parts, op: Mix, given: Parameters, x: Maps) -> Maps:
    blend, sums = given.get("blend"), given.get("sums")
    if op.kind is Blend.ROUTE:
        assert blend is not None
        return [_weighted(to, x, row) for row in blend]
    total = _weighted(to, x, sums)
    if op.kind is not Blend.GATE:
        return [total]
    assert blend is not None
    gated = [
        to.add(
            "Add",
            to.add("Mul", one, to.scalar("gate", c)),
            to.add("Mul", total, to.scalar("rest", np.float32(1) - c)),
        )
        for c, one in zip(blend, x, strict=False)
    ]
    return [*gated, *[total] * op.outputs][: op.outputs]


def _weighted(to: Parts, x: Maps, weights: Array | None) -> str:
    if weights is None:
        return to.add("Mean", *x)
    pairs = zip(x, weights, strict=True)
    return to.add("Sum", *(to.add("Mul", one, to.scalar("weight", w)) for one, w in pairs))


def _pooled(to: Parts, op: Pool, x: str) -> str:
    form = {
        "kernel_shape": [op.kernel] * 2,
        "strides": [op.stride] * 2,
        "pads": [op.padding] * 4,
    }
    if op.kind is Pooling.MAX:
        return to.add("MaxPool", x, **form)
    return to.add("AveragePool", x, **form, count_include_pad=0)


def _sized(to: Parts, op: Skip, x: str) -> str:
    """The averages of stretches: a pooling where they are alike, else two matrices."""
    tall, wide = divmod(op.height, op.out_height), divmod(op.width, op.out_width)
    if tall[1] == wide[1] == 0:
        if (tall[0], wide[0]) != (1, 1):
            window = [tall[0], wide[0]]
            x = to.add("AveragePool", x, kernel_shape=window, strides=window)
    else:
        rows = _averages(op.height, op.out_height)
        x = _stretched(to, rows, _averages(op.width, op.out_width), x)
    if op.filters == op.channels:
        return x
    turns = to.constant("turns", np.arange(op.filters, dtype=np.int64) % op.channels)
    return to.add("Gather", x, turns, axis=1)


def _stretched(to: Parts, rows: Array, columns: Array, x: str) -> str:
    """Each new row is a sum of old ones, as the matrix (new, old) says; then the columns."""
    x = to.add("MatMul", to.constant("rows", rows), x)
    return to.add("MatMul", x, to.constant("columns", columns.T))


def _between(size: int, out: int) -> Array:
    """Bilinear, as `kernels.real_reference.resize`."""
    at = np.clip((np.arange(out) + 0.5) * size / out - 0.5, 0, size - 1)
    near = 1 - np.abs(at[:, None] - np.arange(size))
    matrix: Array = np.maximum(near, 0).astype(np.float32)
    return matrix


def _averages(size: int, out: int) -> Array:
    matrix = np.zeros((out, size), np.float32)
    for place in range(out):
        begin, end = place * size // out, -(-(place + 1) * size // out)
        matrix[place, begin:end] = 1 / (end - begin)
    return matrix
