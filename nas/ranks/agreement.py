"""How well one number ranks another: Kendall's tau-b and Spearman's rho, with intervals.

Intervals are those of the bootstrap: the 2.5 and 97.5 % points of what is found on as many
architectures drawn with replacement. A pair of one architecture with itself counts as tied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
INTERVAL = (0.025, 0.975)
FEWEST = 4  # architectures of which a ranking says anything

Floats = NDArray[np.float64]
Statistic = Callable[[NDArray[np.int64]], float]  # on the architectures of these numbers


class Ranked(NamedTuple):
    """None where it cannot be said: too few, or all of them equal."""

    value: float | None
    low: float | None
    high: float | None


def tau(x: Sequence[float], y: Sequence[float], seed: int = 0) -> Ranked:
    from scipy.stats import kendalltau

    a, b = np.array(x, float), np.array(y, float)
    return bootstrapped(lambda some: float(kendalltau(a[some], b[some]).statistic), len(a), seed)


def spearman(x: Sequence[float], y: Sequence[float], seed: int = 0) -> Ranked:
    from scipy.stats import rankdata

    a, b = np.array(x, float), np.array(y, float)

    def rho(some: NDArray[np.int64]) -> float:
        ranks = rankdata(a[some]), rankdata(b[some])
        return _divided(*(rank - rank.mean() for rank in ranks))

    return bootstrapped(rho, len(a), seed)


def tau_within(
    bands: Sequence[int], x: Sequence[float], y: Sequence[float], seed: int = 0
) -> Ranked:
    """Of the pairs that are in one band only, all bands together."""
    a, b, band = np.array(x, float), np.array(y, float), np.array(bands)

    def within(some: NDArray[np.int64]) -> float:
        one = band[some][:, None] == band[some][None]
        return _divided(*(np.sign(v[some][:, None] - v[some][None]) * one for v in (a, b)))

    return bootstrapped(within, len(a), seed)


def _divided(a: Floats, b: Floats) -> float:
    """The cosine between the two: tau-b of the signs of differences, rho of ranks."""
    lengths = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / lengths if lengths else float("nan")


def bootstrapped(statistic: Statistic, count: int, seed: int) -> Ranked:
    if count < FEWEST:
        return Ranked(None, None, None)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        value = statistic(np.arange(count))
        found = [statistic(rng.integers(0, count, count)) for _ in range(RESAMPLES)]
    told = [one for one in found if np.isfinite(one)]
    if not np.isfinite(value) or not told:
        return Ranked(None, None, None)
    low, high = np.quantile(told, INTERVAL)
    return Ranked(value, float(low), float(high))


def top_third(y: Sequence[float]) -> list[int]:
    """Who is in it, in the order they lie in; of equal ones those that lie first."""
    order = np.argsort(-np.array(y, float), kind="stable")
    return sorted(order[: -(-len(y) // 3)].tolist())


def equal_bands(times: Sequence[float], each: int = 5) -> list[int]:
    """The number of the band of each: as many in one as in another, about `each`, by time."""
    count = max(1, round(len(times) / each))
    order = np.argsort(np.array(times, float), kind="stable")
    found = [0] * len(times)
    for band, some in enumerate(np.array_split(order, count)):
        for n in some.tolist():
            found[n] = band
    return found
