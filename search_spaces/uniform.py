"""Genomes that choose alike for every block: among them the known architectures of a space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from search_spaces.arch import Arch
from search_spaces.known import KNOWN, known
from search_spaces.space import Axis, Genome, Space

MOST = 5_000  # genomes that are given: each is decoded, and some are planned


def uniform(space: Space) -> Iterator[Genome]:
    """One choice for all axes that are alike, in all ways; but not more than MOST of them.

    Alike are axes whose names differ in nothing but digits at their end, `bases0` and `bases1`; and
    where that leaves too many ways, all that have the same choices.
    """
    alike: list[tuple[object, int]] = [(_named(axis), len(axis.choices)) for axis in space.axes]
    if math.prod(count for _, count in set(alike)) > MOST:
        alike = [(axis.choices, len(axis.choices)) for axis in space.axes]
    kinds = {kind: n for n, kind in enumerate(dict.fromkeys(alike))}
    every = itertools.product(*(range(choices) for _, choices in kinds))
    for picked in itertools.islice(every, MOST):
        yield tuple(picked[kinds[kind]] for kind in alike)


def _named(axis: Axis) -> str:
    return axis.name.rstrip("0123456789")


def known_genomes(space: Space) -> dict[str, Genome]:
    """Of the known architectures that the space has, by name: those among the uniform genomes."""
    wanted = {arch: name for name, arch in reversed(known_archs(space).items())}
    found: dict[str, Genome] = {}
    for genome in uniform(space):
        name = wanted.get(space.decode(genome))
        if name is not None:
            found.setdefault(name, genome)
    return {name: found[name] for name in KNOWN if name in found}


def known_archs(space: Space) -> dict[str, Arch]:
    """All known architectures on the backbone of the space, in the space or not."""
    return {name: known(name, space.backbone) for name in KNOWN}
