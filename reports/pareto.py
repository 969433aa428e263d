"""What nothing beats, the knee of it, and how much it covers. Less is better in every column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Costs = Sequence[float]


def front(costs: Sequence[Costs]) -> list[bool]:
    """True for each row that no other row beats: equal rows do not beat each other."""
    if not costs:
        return []
    from moocore import is_nondominated

    kept: list[bool] = is_nondominated(np.asarray(costs, float), keep_weakly=True).tolist()
    return kept


def knee(points: Sequence[Costs]) -> int | None:
    """Of a front in two costs: the point farthest below the line between its ends.

    Both costs are scaled to 0..1 first. None where there are fewer than three different points, or
    where none lies below the line.
    """
    if len({tuple(point) for point in points}) < 3:
        return None
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    if (high == low).any():
        return None
    x, y = ((np.asarray(points) - low) / (high - low)).T
    below = 1 - x - y  # the ends of a front lie at (0, 1) and (1, 0)
    best = int(np.argmax(below))
    return best if below[best] > 1e-9 else None


class Covered(NamedTuple):
    """The share of the box that is covered once so many candidates were seen."""

    seen: int
    share: float


def hypervolume(
    costs: Iterable[Costs | None], reference: Costs, least: Costs | None = None
) -> Iterator[Covered]:
    """How the share of the box between `least` and `reference` grows: an entry wherever it does.
    Without `least` it begins at 0; nothing may lie below.

    None stands for a candidate that does not count. The last entry is where all were seen.
    """
    from moocore import hypervolume as volume

    ends = np.asarray(reference, float)
    low = np.zeros_like(ends) if least is None else np.asarray(least, float)
    kept: NDArray[np.float64] = np.empty((0, len(ends)))
    share, seen = 0.0, 0
    last = Covered(0, 0.0)
    for seen, one in enumerate(costs, 1):
        if one is None:
            continue
        point = (np.asarray(one, float) - low) / (ends - low)
        if (point >= 1).any() or (kept <= point).all(axis=1).any():
            continue
        kept = np.vstack([kept[~(point <= kept).all(axis=1)], point])
        share = float(volume(kept, ref=np.ones(len(ends))))
        last = Covered(seen, share)
        yield last
    if seen > last.seen:
        yield Covered(seen, share)


class Band(NamedTuple):
    """At so many candidates, between which shares most orders of drawing lie."""

    seen: int
    low: float
    high: float


ORDERS = 40
_QUANTILES = (0.1, 0.9)
_STEPS = 60


def band(
    costs: Sequence[Costs | None],
    reference: Costs,
    least: Costs | None = None,
    orders: int = ORDERS,
) -> list[Band]:
    """Of random search: its candidates came in one order and might have come in any."""
    steps = sorted({round(n) for n in np.linspace(1, len(costs), min(_STEPS, len(costs)))})
    curves = []
    for turn in range(orders):
        shuffled = list(costs)
        Random(f"order {turn}").shuffle(shuffled)
        grown = list(hypervolume(shuffled, reference, least))
        at = np.searchsorted([covered.seen for covered in grown], steps, side="right")
        shares = np.array([0.0, *(covered.share for covered in grown)])
        curves.append(shares[at])
    low, high = np.quantile(np.array(curves), _QUANTILES, axis=0) if steps else ([], [])
    return [Band(n, float(a), float(b)) for n, a, b in zip(steps, low, high, strict=True)]
