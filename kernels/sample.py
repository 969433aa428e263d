"""Random data to run an op on. Never zeros: a processor may be faster with those."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from kernels.binary import Constants, Floats, Kernel, empty
from kernels.bits import Bits, bytes_for
from kernels.isas import Choice
from kernels.lined import lined
from kernels.ops import (
    BinaryConv,
    BinaryLinear,
    Curve,
    Epilogue,
    Linear,
    Op,
    RealConv,
    Residual,
    Stem,
)
from kernels.parameters import Array, wanted
from kernels.timing import Runs


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An op with its weights and constants, and what goes in."""

    op: BinaryConv
    signs: Bits
    weights: Bits
    constants: Constants
    residual: Floats | None

    @property
    def batch(self) -> int:
        return int(self.signs.shape[1])

    def kernel(self, choice: Choice, threads: int = 1) -> Kernel:
        return Kernel(self.op, self.weights, self.constants, choice=choice, threads=threads)

    def runs(self, choice: Choice, threads: int = 1) -> Runs:
        """What `timing.measure` takes: runs of this kernel, clocked inside the core.

        Floats are written over the residual, as in a program.
        """
        kernel, out, residual = self.kernel(choice, threads), empty(self.op, self.batch), None
        if self.residual is not None:
            residual = lined(self.residual)
            if out.floats is not None and out.floats.shape == residual.shape:
                out = dataclasses.replace(out, floats=residual)
        return lambda n: kernel.clock(self.signs, residual, out=out, rounds=n)

    def ending(self, after: Epilogue, rng: np.random.Generator) -> Case:
        """The same sums, ending in another way."""
        op = dataclasses.replace(self.op, after=after)
        return Case(op, self.signs, self.weights, *_constants(op, self.batch, rng))


def case(op: BinaryConv, batch: int, rng: np.random.Generator) -> Case:
    signs = drawn_bits((op.inputs, batch, op.height, op.width), op.channels, rng)
    weights = drawn_bits((op.bases, op.filters, op.kernel, op.kernel), op.channels, rng)
    return Case(op, signs, weights, *_constants(op, batch, rng))


def parameters(op: Op, rng: np.random.Generator) -> dict[str, Array]:
    """For any op, what is optional too: such that what comes out is about as large as what goes in.

    Through many layers numbers would else grow until they are infinite, or shrink until they are
    so small that a processor slows down.
    """
    return {name: _parameter(op, name, want.shape, rng) for name, want in wanted(op).items()}


def _parameter(op: Op, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    times = 1.0
    match op, name:
        case ((BinaryConv() | BinaryLinear()), "weights"):
            return drawn_bits(shape[:-1], op.channels, rng)
        case Stem(), "weights":
            return rng.integers(-32767, 32768, shape, np.int16)
        case Stem(), "mean":
            return rng.uniform(100, 150, shape).astype(np.float32)
        case Stem(), "scale":  # of such weights times such pixels
            times = (op.kernel**2 * op.channels) ** -0.5 / (19_000 * 75)
        case BinaryConv(), "scale":
            times = op.products**-0.5
        case (BinaryLinear(), "scale") | (Linear(), "weights"):
            times = op.channels**-0.5
        case RealConv(), "weights":
            times = (op.kernel**2 * op.channels // op.groups) ** -0.5
    return (rng.standard_normal(shape) * times).astype(np.float32)


def drawn_bits(shape: tuple[int, ...], values: int, rng: np.random.Generator) -> Bits:
    bits = rng.integers(0, 256, (*shape, bytes_for(values)), np.uint8)
    if values % 8:
        bits[..., -1] &= (1 << values % 8) - 1
    return bits


def _constants(
    op: BinaryConv, batch: int, rng: np.random.Generator
) -> tuple[Constants, Floats | None]:
    """Scales of both signs, and the rest about as large as the dot products are."""
    after, about = op.after, op.products**0.5
    if after.raw:
        return Constants(), None

    def floats(*shape: int, times: float = 1.0) -> Floats:
        return (rng.standard_normal(shape) * times).astype(np.float32)

    pair, sets = (op.pairs, op.filters), (op.sets, op.filters)
    sides = rng.choice([-1.0, 1.0], pair)
    outer = after.outer is not None
    maps = after.maps_added(op.pairs)
    constants = Constants(
        scale=(rng.uniform(0.5, 1.5, pair) * sides).astype(np.float32),
        shift=floats(*pair),
        slope=floats(*pair) if after.inner == Curve.PRELU else None,
        each=floats(op.pairs) if after.residual == Residual.EACH else None,
        before=floats(*sets) if outer else None,
        curve=floats(*sets) if after.outer == Curve.PRELU else None,
        after=floats(*sets) if outer else None,
        thresholds=floats(op.sets, after.signs, op.filters, times=about / 2)
        if after.signs
        else None,
    )
    image = (batch, op.out_height, op.out_width, op.filters)
    return constants, lined(floats(maps, *image, times=about)) if maps else None
