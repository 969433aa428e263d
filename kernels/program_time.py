"""How long a whole program takes, and each of its ops in it, beside torch where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kernels import baselines, case, gate, machine, timing
from kernels.engine import Engine
from kernels.memory import Layout
from kernels.ops import BinaryConv, BinaryLinear, Op, RealConv, Stem
from kernels.program import Program
from kernels.timing import Timing


class Ready(Protocol):
    """A program that runs, here or on another device."""

    program: Program
    layout: Layout

    @property
    def choices(self) -> Sequence[object]:
        """Of each node the kernel, where there were several."""


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    whole: Timing
    nodes: NDArray[np.float64]  # median nanoseconds of each node
    float32: dict[Op, Timing]  # torch's, of ops that are convolutions

    def lines(self, engine: Ready) -> Iterator[str]:
        whole, program = self.whole, engine.program
        yield (
            f"whole   {whole.median_ns / 1e3:9.1f} us, +- {whole.spread_ns / 1e3:.1f}"
            + (f"; {whole.doubt}" if whole.doubt else "")
        )
        yield f"memory  {engine.layout.bytes:9,} bytes of values, {program.bytes:,} of parameters"
        yield f"{'':4} {'us':>8} {'share':>6} {'x f32':>6}  op"
        total = self.nodes.sum()
        for n, (node, took) in enumerate(zip(program.nodes, self.nodes, strict=True)):
            theirs = self.float32.get(node.op)
            ratio = "" if theirs is None else f"{theirs.median_ns / took:.1f}"
            doubt = f"; x f32: {theirs.doubt}" if theirs is not None and theirs.doubt else ""
            kernel = f"  ({engine.choices[n]})" if engine.choices[n] else ""
            share = f"{took / total:.1%}"
            yield f"{n:4} {took / 1e3:8.1f} {share:>6} {ratio:>6}  {short(node.op)}{kernel}{doubt}"


def short(op: Op) -> str:
    """An op in a few words."""
    name = type(op).__name__
    match op:
        case BinaryConv() | RealConv() | Stem():
            several = "" if isinstance(op, Stem) or op.inputs == 1 else f", {op.inputs} in"
            bases = f", {op.bases} bases" if isinstance(op, BinaryConv) and op.bases > 1 else ""
            stride = f"/{op.stride}" if op.stride > 1 else ""
            window = f"{op.kernel}x{op.kernel}{stride}"
            return f"{name} {window} {op.channels}->{op.filters}@{op.height}{several}{bases}"
        case _:
            return name


def measured(engine: Engine, batch: int, rounds: int, *, torch: bool) -> Times:
    images = case.images(engine.program, batch, normalised=False)
    things, least = {0: partial(engine.clock, images)}, timing.least_cpu(engine.threads)
    with gate.alone():
        whole = timing.measure(things, rounds, least_cpu=least)[0]
        runs = max(3, min(200, int(3e8 / whole.median_ns)))
        nodes = np.median(engine.clock_nodes(images, runs), axis=0)
        theirs = _float32(engine, batch) if torch and machine.here().torch is not None else {}
    return Times(whole, nodes, theirs)


def _float32(engine: Engine, batch: int) -> dict[Op, Timing]:
    """Torch's time for one float32 convolution of the shape of each op."""
    found, least = {}, timing.least_cpu(engine.threads)
    with baselines.threads(engine.threads):
        for op in dict.fromkeys(engine.program.ops):
            conv = op.as_conv() if isinstance(op, BinaryLinear) else op
            if isinstance(conv, BinaryConv) or (isinstance(conv, RealConv) and conv.groups == 1):
                best = baselines.best_float32(conv, batch)
                if best.runs is not None:
                    took = timing.measure({0: best.runs}, 7, tries=1, least_cpu=least)
                    found[op] = took[0]
    return found
