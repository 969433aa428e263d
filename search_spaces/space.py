"""A space: axes to choose on, and what a list of choices means.

A search knows axes and small whole numbers only. Every genome is legal: what must not be combined
is settled where it is decoded, so nothing is ever drawn in vain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.grammar import Grammar

Genome = tuple[int, ...]
ENUMERATED = 20_000  # spaces of at most so many genomes are counted by decoding them all


@dataclass(frozen=True, slots=True)
class Axis:
    name: str
    choices: tuple[str | int, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError(f"axis {self.name!r} has nothing to choose from")

    @property
    def plain(self) -> tuple[str | int, ...]:
        """The choices as files have them: some are texts with a type of their own."""
        return tuple(str(c) if isinstance(c, str) else c for c in self.choices)


class Mutation(NamedTuple):
    genome: Genome
    neutral: bool  # it means the same architecture as before


class Count(NamedTuple):
    """How many architectures there are, or that there are `at_most` so many; and how one knows."""

    architectures: int
    exact: bool
    how: str


@dataclass(frozen=True, slots=True)
class Space:
    """`meaning` gets the choices themselves, by the names of their axes.

    `grammar` is there for spaces of consecutive groups: it counts architectures, and lists a set of
    them that has every op.
    """

    name: str
    backbone: Backbone
    axes: tuple[Axis, ...]
    meaning: Callable[[dict[str, str | int]], Arch]
    grammar: Grammar | None = None

    def decode(self, genome: Genome) -> Arch:
        """The architecture that these choices, a number on each axis, mean."""
        if len(genome) != len(self.axes):
            raise ValueError(f"{self.name} has {len(self.axes)} axes; got {len(genome)} choices")
        chosen: dict[str, str | int] = {}
        for axis, choice in zip(self.axes, genome, strict=True):
            if not 0 <= choice < len(axis.choices):
                raise ValueError(
                    f"axis {axis.name!r} has choices 0 to {len(axis.choices) - 1}; got {choice}"
                )
            chosen[axis.name] = axis.choices[choice]
        return self.meaning(chosen)

    def sample(self, rng: Random) -> Genome:
        return tuple([rng.randrange(len(axis.choices)) for axis in self.axes])

    def mutate(self, genome: Genome, rng: Random) -> Mutation:
        """Another choice on one axis: never the same genome, but it may mean the same."""
        i = rng.choice([i for i, axis in enumerate(self.axes) if len(axis.choices) > 1])
        other = rng.choice([c for c in range(len(self.axes[i].choices)) if c != genome[i]])
        mutant = (*genome[:i], other, *genome[i + 1 :])
        return Mutation(mutant, self.decode(mutant) == self.decode(genome))

    @property
    def genomes(self) -> int:
        return math.prod(len(axis.choices) for axis in self.axes)

    def every_genome(self) -> Iterator[Genome]:
        return itertools.product(*(range(len(axis.choices)) for axis in self.axes))

    def count(self) -> Count:
        if self.genomes <= ENUMERATED:
            found = len({self.decode(genome) for genome in self.every_genome()})
            return Count(found, True, "all genomes decoded")
        if self.grammar is not None:
            return Count(self.grammar.count(), True, "group sequences counted, block by block")
        return Count(self.genomes, False, "at most one for each genome")
