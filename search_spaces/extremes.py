"""The largest and the smallest architecture of a space: a supernet learns both at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from search_spaces.arch import Arch
from search_spaces.cost import Cost, cost
from search_spaces.planner import plan
from search_spaces.space import Genome, Space


class Extremes(NamedTuple):
    """`choices`: the genome that the largest is decoded from."""

    largest: Arch
    smallest: Arch
    choices: Genome


def extremes(space: Space) -> Extremes:
    """By operations, bits of weights, constants: axis by axis, until no choice helps any more."""
    costs: dict[Arch, Cost] = {}

    def size(genome: Genome) -> tuple[float, int, int]:
        arch = space.decode(genome)
        if arch not in costs:
            costs[arch] = cost(plan(arch, space.backbone))
        return costs[arch].ops, costs[arch].weight_bits, costs[arch].constant_bits

    def least(genome: Genome) -> tuple[float, ...]:
        return tuple(-number for number in size(genome))

    most, fewest = _climbed(space, size), _climbed(space, least)
    return Extremes(space.decode(most), space.decode(fewest), most)


def _climbed(space: Space, height: Callable[[Genome], tuple[float, ...]]) -> Genome:
    """From the first choices and from the last: an axis may matter only where others are high."""
    starts = (tuple(0 for _ in space.axes), tuple(len(axis.choices) - 1 for axis in space.axes))
    return max((_top(space, start, height) for start in starts), key=height)


def _top(space: Space, genome: Genome, height: Callable[[Genome], tuple[float, ...]]) -> Genome:
    while True:
        before = height(genome)
        for n, axis in enumerate(space.axes):
            tried = [(*genome[:n], choice, *genome[n + 1 :]) for choice in range(len(axis.choices))]
            genome = max(tried, key=height)
        if height(genome) <= before:
            return genome
