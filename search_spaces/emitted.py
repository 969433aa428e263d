"""Every op that a space can emit, once: measured ahead, they predict the time of any plan."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from kernels.ops import Op
from search_spaces.plan import Plan
from search_spaces.planner import plan, unroll
from search_spaces.space import ENUMERATED, Space

DRAWN = 3_000  # so many architectures in a row without a new op end a search by drawing


class Emitted(NamedTuple):
    ops: tuple[Op, ...]
    complete: bool
    how: str


def emitted(space: Space) -> Emitted:
    """All ops of a space, in the order in which they turn up.

    Of a small space and of one with a grammar, all. Of another, those of random architectures,
    until none is new any more: then `complete` is false.
    """
    if space.grammar is not None:
        return Emitted(_ops(_covering(space)), True, "from architectures that cover the space")
    if space.genomes <= ENUMERATED:
        plans = (plan(space.decode(g), space.backbone) for g in space.every_genome())
        return Emitted(_ops(plans), True, "from all architectures")
    how = f"from random architectures, until {DRAWN} in a row had nothing new"
    return Emitted(_drawn(space), False, how)


def _covering(space: Space) -> Iterator[Plan]:
    assert space.grammar is not None
    task = space.decode((0,) * len(space.axes)).task
    for groups, skips in space.grammar.cover():
        yield unroll(task, groups, skips, space.backbone)


def _ops(plans: Iterator[Plan]) -> tuple[Op, ...]:
    return tuple(dict.fromkeys(op for plan in plans for op in plan.ops))


def _drawn(space: Space) -> tuple[Op, ...]:
    rng, found, since = Random("ops"), dict[Op, None](), 0
    while since < DRAWN:
        before = len(found)
        arch = space.decode(space.sample(rng))
        found |= dict.fromkeys(plan(arch, space.backbone).ops)
        since = since + 1 if len(found) == before else 0
    return tuple(found)
