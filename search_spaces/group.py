"""One group of an architecture: consecutive blocks, and the binary branches that stand for them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cache

MOST_BASES = 64
MOST_BLOCKS = 4096


class Link(enum.StrEnum):
    """What the branches of a group start from.

    MEAN   all from the aggregate of the group before
    GATE   each from a learnt mixture of that aggregate and the branch of its own number; where the
           group before has no branch of that number, from the aggregate
    ROUTE  each from its own learnt combination of all branches before
    """

    MEAN = "mean"
    GATE = "gate"
    ROUTE = "route"


class Decomposition(enum.StrEnum):
    """How binary convolutions stand for real ones.

    GROUP  each branch runs through all blocks alone; they meet at the end (Group-Net, Eq. 5 and 6)
    LAYER  the branches meet after every convolution (Eq. 3)
    ABC    as LAYER, with bases made of one latent weight, and several thresholds (ABC-Net, M x N)
    REAL   nothing is binary: the blocks as they were
    """

    GROUP = "group"
    LAYER = "layer"
    ABC = "abc"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class Group:
    """`blocks` consecutive blocks. `branches`, `layers`, `abc` and `real` make one by its kind.

    `activations` is the number of thresholds for ABC, else 1. `rates` are the dilations of the
    bases, one each; empty when all are 1.
    """

    blocks: int
    bases: int
    link: Link
    decomposition: Decomposition
    activations: int
    rates: tuple[int, ...]

    def __post_init__(self) -> None:
        _within("blocks", self.blocks, MOST_BLOCKS)
        _within("bases", self.bases, MOST_BASES)
        _within("activations", self.activations, MOST_BASES)
        for rate in self.rates:
            _within("a rate", rate, 64)
        if self.rates and len(self.rates) != self.bases:
            raise ValueError(f"a rate for each of {self.bases} bases; got {len(self.rates)} rates")
        alone = self.decomposition is Decomposition.GROUP
        if not alone and (self.link is not Link.MEAN or self.rates):
            raise ValueError(
                f"only branches have links and rates; got {self.decomposition} with them"
            )
        if self.decomposition is not Decomposition.ABC and self.activations != 1:
            raise ValueError(f"only abc has several activations; got {self.activations}")
        if self.decomposition is Decomposition.REAL and self.bases != 1:
            raise ValueError(f"a real group has 1 base; got {self.bases}")

    @property
    def branches_out(self) -> int:
        """How many branches are still apart where the group ends."""
        return self.bases if self.decomposition is Decomposition.GROUP else 1


@cache
def branches(blocks: int, bases: int, link: Link = Link.MEAN, rates: tuple[int, ...] = ()) -> Group:
    return Group(blocks, bases, Link(link), Decomposition.GROUP, 1, rates)


@cache
def layers(blocks: int, bases: int) -> Group:
    return Group(blocks, bases, Link.MEAN, Decomposition.LAYER, 1, ())


@cache
def abc(blocks: int, bases: int, activations: int) -> Group:
    return Group(blocks, bases, Link.MEAN, Decomposition.ABC, activations, ())


@cache
def real(blocks: int) -> Group:
    return Group(blocks, 1, Link.MEAN, Decomposition.REAL, 1, ())


def _within(what: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be a whole number; got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{what} must be 1 to {most}; got {value}")
