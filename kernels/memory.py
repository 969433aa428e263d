"""Where the values of a program lie in its one stretch of memory, planned ahead.

Values that are never alive together share memory, and floats that a residual was added to lie where
that residual was, if nobody needs it any more. A layout is as small as what is alive at once
wherever that can be found: first the largest values are placed, then other orders are tried; of
very many values only some, or one: a file may have more than there is time for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.flow import Value
from kernels.lined import LINE
from kernels.program import Node, last_reads, reads_pixels, written_over

TRIES = 200
MOST_PLACED = 51_000  # in all orders together: all are tried up to 250 values


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
    for order in islice(_orders(alive), max(1, MOST_PLACED // len(alive))):
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
    offsets: dict[int, int] = {}
    total, there = 0, np.empty((4, len(order)), np.int64)  # begins, ends, first, last; by begin
    for count, live in enumerate(order):
        offset = _free(live, there[:, :count])
        end = offset + live.size
        total = max(total, end)
        at = int(np.searchsorted(there[0, :count], offset))
        there[:, at + 1 : count + 1] = there[:, at:count]
        there[:, at] = offset, end, live.first, live.last
        offsets |= dict.fromkeys(live.values, offset)
    return Layout(offsets, total)


def _free(live: Live, there: NDArray[np.int64]) -> int:
    """The lowest place beside those that are alive at the same time."""
    begins, ends = there[:2, (there[3] >= live.first) & (there[2] <= live.last)]
    free = np.maximum.accumulate(np.append(0, ends))  # behind so many of them
    fits = np.append(begins >= free[:-1] + live.size, True)
    return int(free[fits.argmax()])
