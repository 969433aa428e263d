"""Genomes that choose alike for every block: among them the known architectures of a space."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from search_spaces.arch import Arch
from search_spaces.known import KNOWN, known
from search_spaces.space import Genome, Space


def uniform(space: Space) -> Iterator[Genome]:
    """One choice for all axes that have a name in common, `bases0` and `bases1`, in all ways."""
    kinds: dict[tuple[str, int], int] = {}
    for axis in space.axes:
        kind = (axis.name.rstrip("0123456789"), len(axis.choices))
        kinds.setdefault(kind, len(kinds))
    which = [kinds[axis.name.rstrip("0123456789"), len(axis.choices)] for axis in space.axes]
    for picked in itertools.product(*(range(choices) for _, choices in kinds)):
        yield tuple(picked[n] for n in which)


def known_genomes(space: Space) -> dict[str, Genome]:
    """Of the known architectures that the space has, by name."""
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
