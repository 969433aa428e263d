"""What a program means: a walk over its nodes with the slow references. Used by tests only.

Signs are arrays of +1 and -1 here, `(sets, batch, height, width, channels)` like all maps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels import bits, real_reference, reference
from kernels.binary import Constants
from kernels.engine import EPILOGUE
from kernels.flow import Use, flow
from kernels.ops import (
    Affine,
    BinaryConv,
    BinaryLinear,
    GlobalPool,
    Linear,
    Mix,
    Pack,
    Pool,
    RealConv,
    Resize,
    Skip,
    Stem,
)
from kernels.parameters import Array, Parameters
from kernels.program import Node, Program

Floats = NDArray[np.float32]


def walk(program: Program, images: Array) -> dict[int, Array]:
    """Every value, from images (batch, height, width, channels): float32, or uint8 for a stem."""
    values: dict[int, Array] = {0: images[None]}

    def part(use: Use) -> Array:
        return values[use.value][use.first : use.first + use.sets]

    for node, given in zip(program.nodes, program.parameters, strict=True):
        x = np.concatenate([part(use) for use in node.reads])
        residual = None if node.residual is None else part(node.residual)
        values |= step(node, given, x, residual)
    return values


def step(node: Node, given: Parameters, x: Array, residual: Array | None) -> dict[int, Array]:
    """What one node writes."""
    wrote: dict[int, Array] = {}
    y = _floats(node, given, x, residual)
    if node.floats is not None:
        wrote[node.floats] = y
    if node.bits is not None:
        constants = Constants(thresholds=given["thresholds"])
        signs = reference.signs(node.op, y, constants)  # type: ignore[arg-type]
        wrote[node.bits] = signs.reshape(-1, *signs.shape[2:])
    return wrote


def _floats(node: Node, given: Parameters, x: Array, residual: Array | None) -> Floats:
    op = node.op
    constants = Constants(**{name: given[name] for name in EPILOGUE if name in given})
    match op:
        case BinaryConv() | BinaryLinear():
            conv = op.as_conv()
            rows = given["weights"].reshape(conv.bases, conv.filters, conv.kernel, conv.kernel, -1)
            weights = bits.unpack(rows, conv.channels)
            sums = reference.dots(conv, x.astype(np.int8), weights)
            return reference.epilogue(conv, sums, constants, residual)
        case RealConv():
            products = real_reference.real_conv(op, x, given["weights"])
            return reference.epilogue(op, products, constants, residual)
        case Stem():
            pooled = real_reference.stem(op, x, given["weights"], given["mean"])
            return reference.epilogue(op, pooled, constants, residual)
        case Affine():
            return reference.epilogue(op, x, constants, residual)
        case Mix():
            return real_reference.mix(op, x, blend=given.get("blend"), sums=given.get("sums"))
        case Skip():
            return real_reference.skip(op, x, residual)
        case Pool():
            return real_reference.pool(op, x)
        case GlobalPool():
            return real_reference.global_pool(op, x)
        case Resize():
            return real_reference.resize(op, x)
        case Linear():
            flat = x[0].reshape(x.shape[1], flow(op).reads.channels)
            y = real_reference.linear(op, flat, given["weights"], given["bias"])
            return y[None, :, None, None]
        case Pack():
            return x
