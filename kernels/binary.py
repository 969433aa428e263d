"""Binary convolutions and linear maps that are ready to run: an op, its weights, a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import _core, lined
from kernels.bits import Bits
from kernels.isas import Choice
from kernels.ops import BinaryConv, BinaryLinear

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constants:
    """What an epilogue computes with; None for what it does not use. See `kernels.epilogue`."""

    scale: Floats | None = None  # (pairs, filters)
    shift: Floats | None = None  # (pairs, filters)
    slope: Floats | None = None  # (pairs, filters): of the inner PReLU
    each: Floats | None = None  # (pairs,): factors of the residuals
    before: Floats | None = None  # (sets, filters)
    curve: Floats | None = None  # (sets, filters): slopes of the outer PReLU
    after: Floats | None = None  # (sets, filters)
    thresholds: Floats | None = None  # (sets, signs, filters)


NO_CONSTANTS = Constants()


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came out: dot products, or float32, or sign bits, or the last two."""

    dots: NDArray[np.int32] | None = None  # (pairs, batch, height, width, filters)
    floats: Floats | None = None  # (sets, batch, height, width, filters)
    bits: Bits | None = None  # (sets, signs, batch, height, width, bytes)


class Kernel:
    """One op with its weights, laid out for one kernel of one instruction set."""

    def __init__(
        self,
        op: BinaryConv | BinaryLinear,
        weights: Bits,
        constants: Constants = NO_CONSTANTS,
        *,
        choice: Choice,
        threads: int = 1,
    ) -> None:
        """weights: (bases, filters, kernel, kernel, bytes); if linear, (bases, filters, bytes)."""
        self.op, self.choice, self.threads = op, choice, threads
        self._conv = op.as_conv()
        if isinstance(op, BinaryLinear):
            weights = _linear(weights, "weights")[:, :, None, None]
        self.core = _core.make(self._conv, choice.isa, choice.variant, weights, constants)

    def run(
        self, signs: Bits, residual: Floats | None = None, *, out: Result | None = None
    ) -> Result:
        """signs: (inputs, batch, height, width, bytes); for a linear map (inputs, batch, bytes).

        `out` gives the arrays to write to, its floats may be the residual itself; without it they
        are new. Results of a linear map keep the height and width of 1 that they have as a
        convolution.
        """
        call = self._call(signs, residual, out)
        self.core.run(**call)
        return Result(dots=call["dots"], floats=call["floats"], bits=call["bits"])

    def clock(
        self, signs: Bits, residual: Floats | None = None, *, out: Result, rounds: int = 1
    ) -> list[int]:
        """The nanoseconds of each of so many runs, taken in the core: no Python is in them."""
        took: list[int] = self.core.clock(**self._call(signs, residual, out), rounds=rounds)
        return took

    def _call(self, signs: Bits, residual: Floats | None, out: Result | None) -> dict[str, Any]:
        if isinstance(self.op, BinaryLinear):
            signs = _linear(signs, "signs")[:, :, None, None]
        elif not isinstance(signs, np.ndarray) or signs.ndim != 5:
            raise TypeError(
                f"signs are a NumPy array (inputs, batch, height, width, bytes); got {_kind(signs)}"
            )
        batch = signs.shape[1]
        to = empty(self._conv, batch) if out is None else out
        arrays = {"dots": to.dots, "floats": to.floats, "bits": to.bits}
        return {
            "batch": batch,
            "input": signs,
            "residual": residual,
            **arrays,
            "threads": self.threads,
        }


def empty(op: BinaryConv, batch: int) -> Result:
    """New arrays for what the op gives."""
    if batch < 1:
        raise ValueError(f"a batch has at least one image; got {batch}")
    after, pixels = op.after, (batch, op.out_height, op.out_width)
    if after.raw:
        return Result(dots=lined.empty((op.pairs, *pixels, op.filters), np.int32))
    floats = lined.empty((op.sets, *pixels, op.filters), np.float32) if after.floats else None
    size = (op.filters + 7) // 8
    bits = lined.empty((op.sets, after.signs, *pixels, size), np.uint8) if after.signs else None
    return Result(floats=floats, bits=bits)


def _linear(array: Any, name: str) -> Bits:
    if not isinstance(array, np.ndarray) or array.ndim != 3:
        raise TypeError(f"{name} of a linear map have 3 axes; got {_kind(array)}")
    return array


def _kind(array: Any) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype}{array.shape}"
    return type(array).__name__
