"""What an op carries besides its shapes: arrays by name, and of what type and shape each one is.

Weights of binary ops are packed (`kernels.bits`), those of a stem are int16, all else is float32.
What the constants of an epilogue mean is in `kernels.binary.Constants`, what `blend` and `sums` of
a mix do in `kernels.ops.Blend`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from kernels.bits import bytes_for
from kernels.epilogue import Curve, Epilogue, Residual
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
    RealConv,
    Resize,
    Skip,
    Stem,
)

Array = NDArray[Any]
Parameters = Mapping[str, Array]
NONE: Parameters = {}


class Wanted(NamedTuple):
    shape: tuple[int, ...]
    dtype: str = "float32"
    optional: bool = False

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def wanted(op: Op) -> dict[str, Wanted]:
    match op:
        case BinaryConv():
            bits = (op.bases, op.filters, op.kernel, op.kernel, bytes_for(op.channels))
            ending = _ending(op.after, op.pairs, op.sets, op.filters)
            return {"weights": Wanted(bits, "uint8"), **ending}
        case BinaryLinear():
            rows = (op.bases, op.filters, bytes_for(op.channels))
            return {**wanted(op.as_conv()), "weights": Wanted(rows, "uint8")}
        case RealConv():
            weights = (op.filters, op.kernel, op.kernel, op.channels // op.groups)
            ending = _ending(op.after, op.inputs, op.sets, op.filters)
            return {"weights": Wanted(weights), **ending}
        case Stem():
            taps = (op.filters, op.kernel, op.kernel, op.channels)
            pixels = {"weights": Wanted(taps, "int16"), "mean": Wanted((op.channels,))}
            return pixels | _ending(op.after, 1, 1, op.filters)
        case Linear():
            return {"weights": Wanted((op.filters, op.channels)), "bias": Wanted((op.filters,))}
        case Affine():
            sets = 1 if op.after.sum else op.sets
            return _ending(op.after, op.sets, sets, op.channels)
        case Mix():
            return {**_mixing(op), **_thresholds(op.outputs, op.signs, op.channels)}
        case Pack():
            return _thresholds(op.sets, op.signs, op.channels)
        case Pool() | GlobalPool() | Skip() | Resize():
            return {}
        case _:
            assert_never(op)


def _ending(after: Epilogue, pairs: int, sets: int, filters: int) -> dict[str, Wanted]:
    if after.raw:
        return {}
    pair, one = Wanted((pairs, filters)), Wanted((sets, filters))
    asked = {
        "scale": pair,
        "shift": pair,
        "slope": pair if after.inner is Curve.PRELU else None,
        "each": Wanted((pairs,)) if after.residual is Residual.EACH else None,
        "before": one if after.outer is not None else None,
        "curve": one if after.outer is Curve.PRELU else None,
        "after": one if after.outer is not None else None,
    }
    some = {name: want for name, want in asked.items() if want is not None}
    return some | _thresholds(sets, after.signs, filters)


def _thresholds(sets: int, signs: int, channels: int) -> dict[str, Wanted]:
    return {"thresholds": Wanted((sets, signs, channels))} if signs else {}


def _mixing(op: Mix) -> dict[str, Wanted]:
    match op.kind:
        case Blend.MEAN:
            return {}
        case Blend.LAMBDA:
            return {"sums": Wanted((op.inputs,))}
        case Blend.GATE:  # without sums the aggregate is the mean
            branches = Wanted((min(op.inputs, op.outputs),))
            return {"blend": branches, "sums": Wanted((op.inputs,), optional=True)}
        case Blend.ROUTE:
            return {"blend": Wanted((op.outputs, op.inputs))}


def check(op: Op, given: Parameters) -> None:
    """A ValueError names the first one that is missing, unknown, or of another form."""
    want = wanted(op)
    if unknown := sorted(given.keys() - want.keys()):
        raise ValueError(f"{_kind(op)} has no {unknown[0]}; it carries {', '.join(want) or 'none'}")
    for name, (shape, dtype, optional) in want.items():
        if name not in given:
            if optional:
                continue
            raise ValueError(f"{_kind(op)} lacks its {name}, {dtype}{shape}")
        got = given[name]
        if got.shape != shape or got.dtype != dtype:
            raise ValueError(
                f"{name} of a {_kind(op)} are {dtype}{shape}; got {got.dtype}{got.shape}"
            )


def _kind(op: Op) -> str:
    return type(op).__name__
