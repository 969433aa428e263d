"""Where the values of a program lie in its one stretch of memory, planned ahead.

Values that are never alive together share memory, and floats that a residual was added to lie where
that residual was, if nobody needs it any more. A layout is as small as what is alive at once
wherever that can be found: first the largest values are placed, then other orders are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

from kernels.flow import Value
from kernels.lined import LINE
from kernels.program import Node, last_reads, reads_pixels, written_over

TRIES = 200


class Live(NamedTuple):
    """Values that lie at one place, one after another; their bytes, and the nodes between which
    they are alive, both included.
    """

    values: tuple[int, ...]
    size: int
    first: int
    last: int


class Layout(NamedTuple):
    """Where each value begins, and how many bytes all of it is: for one image."""

    offsets: dict[int, int]
    bytes: int


def lives(values: Sequence[Value], nodes: Sequence[Node], output: int) -> list[Live]:
    """The image is alive from the first node on, the output to the end.

    Pixels are read where the caller has them.
    """
    last = last_reads(nodes, output)
    image = {} if reads_pixels(nodes) else {0: 0}
    born = image | {value: n for n, node in enumerate(nodes) for value in node.writes}
    over = {node.floats: written_over(n, node, values, last) for n, node in enumerate(nodes)}
    found: dict[int, Live] = {}  # by the value that lies there last
    for value, first in born.items():
        before, until = over.get(value), last.get(value, first)
        if before is None:
            found[value] = Live((value,), aligned(values[value].bytes), first, until)
        else:
            there = found.pop(before)
            found[value] = there._replace(values=(*there.values, value), last=until)
    return list(found.values())


def aligned(size: int) -> int:
    return -(-size // LINE) * LINE


def peak(alive: Iterable[Live], nodes: int) -> int:
    """The most that is alive at once."""
    change = [0] * (nodes + 2)
    for live in alive:
        change[live.first] += live.size
        change[live.last + 1] -= live.size
    now = most = 0
    for step in change:
        now += step
        most = max(most, now)
    return most


def layout(alive: Sequence[Live]) -> Layout:
    """The best of several orders in which to place them, each at the lowest place that is free."""
    least = peak(alive, max(live.last for live in alive) + 1)
    best: Layout | None = None
    for order in _orders(alive):
        found = _placed(order)
        if best is None or found.bytes < best.bytes:
            best = found
        if best.bytes == least:
            break
    assert best is not None
    return best


def _orders(alive: Sequence[Live]) -> Iterable[list[Live]]:
    keys: list[Callable[[Live], tuple[int, ...]]] = [
        lambda live: (-live.size, live.first),
        lambda live: (live.first, -live.size),
        lambda live: (live.first - live.last, -live.size),
        lambda live: ((live.first - live.last) * live.size, live.first),
    ]
    for key in keys:
        yield sorted(alive, key=key)
    rng = Random(0)
    for _ in range(TRIES):
        yield sorted(alive, key=lambda live: -live.size * rng.uniform(0.3, 1.0))


def _placed(order: Sequence[Live]) -> Layout:
    placed: list[tuple[int, Live]] = []  # by offset
    for live in order:
        offset = 0
        for begin, other in placed:
            if other.last < live.first or live.last < other.first:
                continue
            if begin >= offset + live.size:
                break
            offset = max(offset, begin + other.size)
        placed.append((offset, live))
        placed.sort(key=lambda at: at[0])
    total = max(offset + live.size for offset, live in placed)
    return Layout({value: offset for offset, live in placed for value in live.values}, total)
