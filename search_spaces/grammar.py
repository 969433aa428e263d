"""Which sequences of groups a space has, said once: to count them, and to see every op they have.

A sequence is settled (`settle`) when none of its boundaries is needless. A boundary between groups
that would merge is needed after all where a skip begins or ends; so counting goes from group to
group and remembers which of the last boundaries still wait for a skip to need them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from search_spaces.group import Decomposition, Group, Link
from search_spaces.settle import Skips, settle

Layout = tuple[tuple[Group, ...], Skips]


@dataclass(frozen=True, slots=True)
class Grammar:
    """Every way to cut `blocks` blocks into groups, each of one of `kinds`, linked by `links`.

    kinds   groups of one block, linked by a mean: what may stand anywhere, for any number of blocks
    reach   a group may be fed by one skip, from 2 to `reach` groups before it; below 2 by none
    """

    blocks: int
    kinds: tuple[Group, ...]
    links: tuple[Link, ...] = (Link.MEAN,)
    reach: int = 0

    def linked(self, before: Group, kind: Group) -> list[Group]:
        """`kind` behind `before`, in each way that means something of its own."""
        alone = kind.decomposition is Decomposition.GROUP
        links = self.links if alone and before.branches_out > 1 else (Link.MEAN,)
        return [replace(kind, link=link) for link in links]

    def count(self) -> int:
        """How many architectures there are."""
        kinds = self._settled_kinds()
        follow = {a: [b for kind in kinds for b in self.linked(a, kind)] for a in kinds}
        merge = {(a, b): len(settle((a, b), ())[0]) == 1 for a in kinds for b in follow[a]}
        waits = max(self.reach - 1, 0)

        @cache
        def ways(left: int, last: Group, groups: int, waiting: tuple[bool, ...]) -> int:
            """To go on, with `left` blocks to fill; `waiting`: newest boundary first."""
            if left == 0:
                return not any(waiting)
            total = 0
            for group in follow[last]:
                for back in (0, *range(2, min(self.reach, groups) + 1)):
                    after = _stepped(waiting, merge[last, group], back, waits)
                    if after is not None:
                        kind = replace(group, link=Link.MEAN)
                        seen = min(groups + 1, self.reach)
                        total += sum(ways(rest, kind, seen, after) for rest in range(left))
            return total

        first = (False,) * waits
        return sum(
            ways(rest, kind, min(1, self.reach), first)
            for kind in kinds
            for rest in range(self.blocks)
        )

    def cover(self) -> Iterator[Layout]:
        """Architectures which, together, have every op that any of the space has.

        What an op is depends on its own group, on how that starts, and on who reads its result: so
        two groups meet in every way at every place; a group of one block has every start together
        with every end; and skips begin, end and stretch everywhere.
        """
        kinds = self._settled_kinds()
        for kind in kinds:
            yield (replace(kind, blocks=self.blocks),), ()
        pairs = [(a, b) for a in kinds for kind in kinds for b in self.linked(a, kind)]
        for cut in range(1, self.blocks):
            for a, b in pairs:
                yield self._cut((a, b), (cut,)), ()
        for here in range(1, self.blocks - 1):
            yield from self._singles(here)
        if self.reach > 1:
            yield from self._skipping(pairs)

    def _singles(self, here: int) -> Iterator[Layout]:
        """Block `here` as a group, between each kind of start and each kind of end."""
        ends = self._representatives()
        for kind in self._settled_kinds():
            for before in ends:
                for one in self.linked(before, kind):
                    for after in ends:
                        for end in self.linked(one, after):
                            yield from self._single(before, one, end, here)

    def _single(self, before: Group, one: Group, end: Group, here: int) -> Iterator[Layout]:
        """As it is; with what follows it fed by a skip; and as what a skip begins with."""
        three = self._cut((before, one, end), (here, here + 1))
        yield three, ()
        if self.reach > 1:
            yield three, ((0, 2),)
            if here + 2 < self.blocks:
                last = replace(end, link=Link.MEAN)
                yield self._cut((before, one, end, last), (here, here + 1, here + 2)), ((1, 3),)

    def _skipping(self, pairs: list[tuple[Group, Group]]) -> Iterator[Layout]:
        few = self._representatives()
        for end in range(2, self.blocks):
            for a, b in pairs:  # what a skip is added to, and what begins it
                yield self._cut((few[0], a, b), (end - 1, end)), ((0, 2),)
                for after in self.linked(b, few[0]):
                    yield self._cut((a, b, after), (end - 1, end)), ((0, 2),)
            for start in range(1, end - 1):
                for before in few:
                    for kind in self._settled_kinds():
                        for last in self.linked(before, kind):
                            yield self._cut((few[0], before, last), (start, end)), ((0, 2),)

    def _settled_kinds(self) -> tuple[Group, ...]:
        return tuple(dict.fromkeys(settle((kind,), ())[0][0] for kind in self.kinds))

    def _representatives(self) -> list[Group]:
        """One kind for each way to begin and to read: branches or none, and how many thresholds."""
        ways = {
            (k.branches_out > 1, k.activations, k.decomposition): k for k in self._settled_kinds()
        }
        return list(ways.values())

    def _cut(self, groups: tuple[Group, ...], cuts: tuple[int, ...]) -> tuple[Group, ...]:
        ends = (0, *cuts, self.blocks)
        sizes = (b - a for a, b in itertools.pairwise(ends))
        return tuple(replace(g, blocks=size) for g, size in zip(groups, sizes, strict=True))


def _stepped(
    waiting: tuple[bool, ...], needless: bool, back: int, waits: int
) -> tuple[bool, ...] | None:
    """What waits after one more group, fed from `back` groups before; None: a wait was in vain."""
    if not waits:
        return None if needless else ()
    before = list(waiting)
    if back:
        before[back - 2] = False
    if before[-1]:
        return None
    return (needless and not back, *before[:-1])
