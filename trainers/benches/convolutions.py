"""The binary 3x3 convolutions of a network without the rest, beside torch's float32.

In two forms, for what "without the rest" may mean: one after the other with nothing between them,
signs in and signs out, beside such a chain in torch; and inside the program, each with what is
fused to it (shortcut, norm, the next signs), beside torch's bare convolutions one by one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from kernels import baselines, case, timing
from kernels.engine import Engine, Images
from kernels.epilogue import Epilogue
from kernels.flow import Use, Value, flow
from kernels.ops import BinaryConv, Pack
from kernels.program import Node, Program
from kernels.progress import told
from kernels.timing import Runs
from trainers.benches import twin

ROUNDS = 21
PATIENCE_S = 10.0  # of each measurement: to wait for others to leave the core
OURS = "ours"
K = TypeVar("K")


def convolutions(engine: Engine, images: Images, rounds: int) -> Iterator[str]:
    """Both forms, `rounds` times over. The engine's network has one base."""
    nodes = enumerate(engine.program.nodes)
    ops = {n: op for n, node in nodes if isinstance(op := node.op, BinaryConv) and op.kernel > 1}
    if chained(list(ops.values())):
        yield from _in_a_chain(list(ops.values()), len(images), engine.threads, rounds)
    else:
        yield "the convolutions make no chain: something changes the size of maps between them"
    yield from _in_the_program(engine, ops, images, rounds)


def chained(ops: Sequence[BinaryConv]) -> bool:
    """Whether each op can read what the one before it writes."""
    return all(
        (a.out_height, a.out_width, a.filters) == (b.height, b.width, b.channels)
        for a, b in pairwise(ops)
    )


def chain(ops: Sequence[BinaryConv]) -> Program:
    """Each op on the signs that the one before it wrote; the last one writes floats."""
    first = ops[0]
    image = Value(False, 1, first.height, first.width, first.channels)
    values = [image, image._replace(bits=True)]
    pack = Pack(height=first.height, width=first.width, channels=first.channels)
    nodes = [Node(pack, (Use(0, 0, 1),), None, None, 1)]
    for n, op in enumerate(ops):
        last = n == len(ops) - 1
        bare = replace(op, after=Epilogue(floats=True) if last else Epilogue(signs=1))
        new = len(values)
        reads = (Use(new - 1, 0, 1),)
        nodes.append(Node(bare, reads, None, *((new, None) if last else (None, new))))
        written = flow(bare).floats or flow(bare).bits
        assert written is not None
        values.append(written)
    return case.program(values, nodes, len(values) - 1, np.random.default_rng(0))


def in_torch(ops: Sequence[BinaryConv]) -> nn.Sequential:
    """The same chain of real-valued convolutions, channels last."""
    made = nn.Sequential(
        *(
            nn.Conv2d(
                op.channels, op.filters, op.kernel, op.stride, op.padding, op.dilation, bias=False
            )
            for op in ops
        )
    )
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made.eval()


def _in_a_chain(ops: Sequence[BinaryConv], batch: int, threads: int, rounds: int) -> Iterator[str]:
    first = ops[0]
    form = (batch, first.height, first.width, first.channels)
    maps = np.random.default_rng(1).standard_normal(form, np.float32)
    engine = Engine(chain(ops), threads=threads)
    seen_by_torch = torch.from_numpy(maps).permute(0, 3, 1, 2)
    theirs = twin.eager_and_frozen("float32", in_torch(ops), seen_by_torch)
    things = {OURS: _nodes(engine, maps, range(1, len(ops) + 1)), **theirs}

    def both(took: Mapping[str, float]) -> tuple[float, float]:
        return took[OURS], min(took[name] for name in theirs)

    yield from _compared("convolutions alone, in a chain", things, both, rounds)


def _in_the_program(
    engine: Engine, ops: Mapping[int, BinaryConv], images: Images, rounds: int
) -> Iterator[str]:
    things: dict[BinaryConv | None, Runs] = {None: _nodes(engine, images, ops)}
    for op in ops.values():
        runs = things.get(op) or baselines.best_float32(op, len(images)).runs
        assert runs is not None
        things[op] = runs

    def both(took: Mapping[BinaryConv | None, float]) -> tuple[float, float]:
        return took[None], sum(took[op] for op in ops.values())

    yield from _compared("convolutions with what is fused to them", things, both, rounds)


def _nodes(engine: Engine, images: Images, nodes: Collection[int]) -> Runs:
    """The time of some nodes of a program, together."""

    def runs(n: int) -> Sequence[float]:
        took: list[float] = engine.clock_nodes(images, n)[:, list(nodes)].sum(axis=1).tolist()
        return took

    return runs


def _compared(
    what: str,
    things: Mapping[K, Runs],
    both: Callable[[Mapping[K, float]], tuple[float, float]],
    rounds: int,
) -> Iterator[str]:
    ratios, least = [], timing.least_cpu(torch.get_num_threads())
    for _ in told(range(rounds), f"{what}, round"):
        found = timing.measure(things, ROUNDS, least_cpu=least, patience_s=PATIENCE_S)
        mine, theirs = both({name: took.median_ns for name, took in found.items()})
        ratios.append(theirs / mine)
        yield f"{what}: {mine / 1e6:.3f} ms, torch float32 {theirs / 1e6:.3f} ms"
    yield f"{what}: 1/{statistics.median(ratios):.1f} of float32"
