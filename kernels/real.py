"""Ops that compute with real numbers, ready to run: an op, its parameters, an instruction set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from kernels import _core, ops
from kernels.binary import Constants, Result
from kernels.bits import bytes_for
from kernels.epilogue import FLOATS, Epilogue, Residual
from kernels.ops import (
    Affine,
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
from kernels.parameters import Array

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What an op gives, and how many maps of that size it is given to add."""

    sets: int
    height: int
    width: int
    channels: int
    floats: bool = True
    signs: int = 0
    residual: int = 0

    def empty(self, batch: int) -> Result:
        """New arrays for it."""
        if batch < 1:
            raise ValueError(f"a batch has at least one image; got {batch}")
        pixels = (batch, self.height, self.width)
        bits = (self.sets, self.signs, *pixels, bytes_for(self.channels))
        return Result(
            floats=np.empty((self.sets, *pixels, self.channels), np.float32)
            if self.floats
            else None,
            bits=np.empty(bits, np.uint8) if self.signs else None,
        )


def form(op: ops.Real) -> Form:
    match op:
        case RealConv():
            return _ended(op.after, op.inputs, op.out_height, op.out_width, op.filters)
        case Stem():
            return _ended(op.after, 1, op.out_height, op.out_width, op.filters)
        case Affine():
            return _ended(op.after, op.sets, op.height, op.width, op.channels)
        case Linear():
            return Form(sets=1, height=1, width=1, channels=op.filters)
        case Pool() | Resize():
            return _map(op.sets, op.out_height, op.out_width, op.channels)
        case GlobalPool():
            return _map(op.sets, 1, 1, op.channels)
        case Skip():
            return Form(
                sets=op.sets,
                height=op.out_height,
                width=op.out_width,
                channels=op.filters,
                residual=op.onto,
            )
        case Mix():
            made = Epilogue(floats=op.floats, signs=op.signs)
            return _ended(made, op.outputs, op.height, op.width, op.channels)
        case Pack():
            made = Epilogue(signs=op.signs)
            return _ended(made, op.sets, op.height, op.width, op.channels)
        case _:
            assert_never(op)


def _map(sets: int, height: int, width: int, channels: int) -> Form:
    return _ended(FLOATS, sets, height, width, channels)


def _ended(after: Epilogue, pairs: int, height: int, width: int, channels: int) -> Form:
    return Form(
        sets=1 if after.sum else pairs,
        height=height,
        width=width,
        channels=channels,
        floats=after.floats,
        signs=after.signs,
        residual={Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: pairs}[after.residual],
    )


class Real:
    """One op with its parameters, laid out for one instruction set."""

    def __init__(
        self, op: ops.Real, parameters: Mapping[str, Array], *, isa: str, threads: int = 1
    ) -> None:
        """`kernels.parameters.wanted` says which parameters an op has, and their shapes."""
        self.op, self.isa, self.threads = op, isa, threads
        self.form = form(op)
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
        if residual is not None and not self.form.residual:
            raise ValueError("this op has no use for a residual, and was given some")
        return self.form.empty(x.shape[1]) if out is None else out

    def _call(self, x: Array, residual: Floats | None, to: Result) -> dict[str, Any]:
        batch = x.shape[1]
        bits: Any = to.bits
        if isinstance(bits, np.ndarray) and bits.ndim == 6 and bits.flags.c_contiguous:
            bits = bits.reshape(-1, *bits.shape[2:])  # to the core, every sign is a set
        arrays = {"reads": x, "residual": residual, "floats": to.floats, "bits": bits}
        return {"batch": batch, **arrays, "threads": self.threads}


def _stem(op: Stem, isa: str, *, weights: Array, mean: Array, **constants: Array) -> _core.Runner:
    return _core.make_stem(op, isa, weights, mean, Constants(**constants))
