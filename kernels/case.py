"""Any op with random parameters and inputs, ready to be timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kernels import lined, sample
from kernels.engine import Images, depths, runner
from kernels.flow import Flow, Value, flow
from kernels.isas import Choice
from kernels.ops import BinaryConv, Op, Stem
from kernels.parameters import Array
from kernels.program import Node, Normal, Program
from kernels.stem import with_stem


class Case:
    """One image through one op."""

    def __init__(
        self, op: Op, chosen: Choice | None, isa: str | None, threads: int, rng: np.random.Generator
    ) -> None:
        self.op, self.threads = op, threads
        form: Flow = flow(op)
        self._core = runner(op, sample.parameters(op, rng), chosen, isa)
        pixels = isinstance(op, Stem)
        self._reads = _pixels(form.reads, rng) if pixels else _random(form.reads, rng)
        self._residual = None if form.residual is None else _random(form.residual, rng)
        self._floats, self._bits = _room(form.floats), _room(form.bits)
        if isinstance(op, BinaryConv) and form.floats == form.residual:
            self._floats = self._residual  # as in a program, where nobody else wants the residual

    def runs(self, n: int) -> Sequence[float]:
        """The nanoseconds of each of n runs, taken in the core. See `timing.Runs`."""
        took: list[float] = self._core.clock_step(
            1, self._reads, self._residual, self._floats, self._bits, self.threads, n
        )
        return took


def case(op: Op, chosen: Choice | None, isa: str | None = None, threads: int = 1) -> Case:
    return Case(op, chosen, isa, threads, np.random.default_rng(0))


def program(
    values: Sequence[Value], nodes: Sequence[Node], output: int, rng: np.random.Generator
) -> Program:
    """A program of random parameters: it takes as long as a trained one."""
    given = tuple(sample.parameters(node.op, rng) for node in nodes)
    return Program(tuple(values), tuple(nodes), given, output)


def images(packed: Program, batch: int, *, normalised: bool = True) -> Images:
    """Random ones, of the type that the program takes: pixels also where it can normalise them, if
    they are not to be `normalised` yet.
    """
    form, rng = packed.image, np.random.default_rng(0)
    shape = (batch, form.height, form.width, form.channels)
    if packed.pixels or not (normalised or packed.normal is None):
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape, np.float32)


def on_pixels(plain: Program) -> Program:
    """The same with a stem on uint8; as in a trained network, nothing is added before a pool."""
    first, *others = plain.parameters
    first = {**first, "shift": np.zeros_like(first["shift"])}
    channels = plain.image.channels
    normal = Normal((128.0,) * channels, (64.0,) * channels)
    return with_stem(replace(plain, parameters=(first, *others), normal=normal))


def _shape(value: Value) -> tuple[int, ...]:
    sets, height, width, depth = depths(value)
    return sets, 1, height, width, depth


def _random(value: Value, rng: np.random.Generator) -> Array:
    if not value.bits:
        return lined.lined(rng.standard_normal(_shape(value), np.float32))
    return sample.drawn_bits(_shape(value)[:-1], value.channels, rng)


def _pixels(value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, _shape(value), np.uint8)


def _room(value: Value | None) -> Array | None:
    if value is None:
        return None
    return lined.empty(_shape(value), np.uint8 if value.bits else np.float32)
