"""Every op that a space can emit, once: measured ahead, they predict the time of any plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
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
    ops = tuple(dict.fromkeys(op for plan in plans(space) for op in plan.ops))
    if space.grammar is not None:
        return Emitted(ops, True, "from architectures that cover the space")
    if space.genomes <= ENUMERATED:
        return Emitted(ops, True, "from all architectures")
    return Emitted(ops, False, f"from random architectures, until {DRAWN} in a row had nothing new")


def plans(space: Space) -> Iterator[Plan]:
    """Plans which, together, have every op of the space and every parameter of its networks."""
    if space.grammar is not None:
        return _covering(space)
    if space.genomes <= ENUMERATED:
        return (plan(space.decode(g), space.backbone) for g in space.every_genome())
    return _drawn(space)


def _covering(space: Space) -> Iterator[Plan]:
    assert space.grammar is not None
    task = space.decode((0,) * len(space.axes)).task
    for groups, skips in space.grammar.cover():
        yield unroll(task, groups, skips, space.backbone)


def _drawn(space: Space) -> Iterator[Plan]:
    """Of random architectures, until there were DRAWN in a row without a step that is new."""
    rng, found, since = Random("ops"), set[Hashable](), 0
    while since < DRAWN:
        drawn = plan(space.decode(space.sample(rng)), space.backbone)
        steps = {(s.op, s.source, s.norm, s.thresholds, s.scales) for s in drawn.steps}
        since = since + 1 if steps <= found else 0
        found |= steps
        yield drawn
