"""Ops that compute with real numbers, ready to run: an op, its parameters, an instruction set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import _core, ops
from kernels.binary import Constants, Result
from kernels.bits import bytes_for
from kernels.flow import ending, flow
from kernels.ops import Stem
from kernels.parameters import Array

Floats = NDArray[np.float32]


def empty(op: ops.Real, batch: int) -> Result:
    """New arrays for what it writes."""
    if batch < 1:
        raise ValueError(f"a batch has at least one image; got {batch}")
    wants, floats, bits = flow(op), None, None
    if (y := wants.floats) is not None:
        floats = np.empty((y.sets, batch, y.height, y.width, y.channels), np.float32)
    if (y := wants.bits) is not None:
        signs, pixels = ending(op).signs, (batch, y.height, y.width)
        bits = np.empty((y.sets // signs, signs, *pixels, bytes_for(y.channels)), np.uint8)
    return Result(floats=floats, bits=bits)


class Real:
    """One op with its parameters, laid out for one instruction set."""

    def __init__(
        self, op: ops.Real, parameters: Mapping[str, Array], *, isa: str, threads: int = 1
    ) -> None:
        """`kernels.parameters.wanted` says which parameters an op has, and their shapes."""
        self.op, self.isa, self.threads = op, isa, threads
        self.core = (
            _stem(op, isa, **parameters)
            if isinstance(op, Stem)
            else _core.make_real(op, isa, dict(parameters))
        )

    def run(self, x: Array, residual: Floats | None = None, *, out: Result | None = None) -> Result:
        """x: (sets, batch, height, width, channels); of a linear map, (1, batch, 1, 1, channels).

        A stem takes uint8, all others float32.
        The residual of a skip is the maps it is added to. `out` gives the arrays to write to;
        without it they are new.
        """
        to = self._room(x, residual, out)
        self.core.step(**self._call(x, residual, to))
        return to

    def clock(
        self, x: Array, residual: Floats | None = None, *, out: Result, rounds: int = 1
    ) -> list[int]:
        """The nanoseconds of each of so many runs, taken in the core: no Python is in them."""
        to = self._room(x, residual, out)
        took: list[int] = self.core.clock_step(**self._call(x, residual, to), rounds=rounds)
        return took

    def _room(self, x: Any, residual: Any, out: Result | None) -> Result:
        if not isinstance(x, np.ndarray) or x.ndim != 5:
            got = f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
            raise TypeError(f"x is a NumPy array (sets, batch, height, width, channels); got {got}")
        if residual is not None and flow(self.op).residual is None:
            raise ValueError("this op has no use for a residual, and was given some")
        return empty(self.op, x.shape[1]) if out is None else out

    def _call(self, x: Array, residual: Floats | None, to: Result) -> dict[str, Any]:
        batch = x.shape[1]
        bits: Any = to.bits
        if isinstance(bits, np.ndarray) and bits.ndim == 6 and bits.flags.c_contiguous:
            bits = bits.reshape(-1, *bits.shape[2:])  # to the core, every sign is a set
        arrays = {"reads": x, "residual": residual, "floats": to.floats, "bits": bits}
        return {"batch": batch, **arrays, "threads": self.threads}


def _stem(op: Stem, isa: str, *, weights: Array, mean: Array, **constants: Array) -> _core.Runner:
    return _core.make_stem(op, isa, weights, mean, Constants(**constants))
