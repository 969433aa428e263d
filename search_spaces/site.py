"""A block of a backbone, and what its parameters are called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from search_spaces.backbone import Block, Scales, Shortcut, Style
from search_spaces.plan import Source


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A block of the backbone, and where it is. There is one of each, so `is` tells them apart."""

    at: str
    block: Block
    style: Style

    @property
    def shortcut(self) -> Shortcut:
        if self.style.one_shortcut and self.block.shortcut is Shortcut.CONV:
            return Shortcut.BLOCK
        return self.block.shortcut

    def thresholds(self, part: str, bases: tuple[int, ...] = ()) -> Source | None:
        """Of signs: a base's own where each base has a map of its own, else the block's."""
        return Source(self.at, part, bases) if self.style.thresholds else None


@cache
def part_name(n: int) -> str:
    return f"conv{n + 1}"


def norm_of(site: Site, part: str, bases: tuple[int, ...] = ()) -> Source:
    return Source(site.at, f"{part}.norm", bases)


def sum_scales(site: Site, part: str, bases: int, activations: int | None) -> Source | None:
    """What the bases of one convolution are summed with. ABC-Net's alphas and betas always are."""
    if activations is not None:
        return Source(site.at, f"{part}.scales", tuple(range(bases)), True)
    return learnt(site, part, tuple(range(bases)))


def learnt(site: Site, part: str, bases: tuple[int, ...]) -> Source | None:
    if len(bases) == 1 or site.style.scales is Scales.MEAN:
        return None
    return Source(site.at, f"{part}.lambda" if part else "lambda", bases)
