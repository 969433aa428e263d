"""What an accuracy with a supernet's weights is worth, learnt from a few networks trained alone.

A supernet orders architectures of one kind well, and is off from one kind to another: what its
links and skips are worth to a network that is trained alone, it does not know. So the accuracy
alone is fitted (ridge regression) to the accuracy in the supernet, the time, and the kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_spaces.arch import Arch
from search_spaces.group import Decomposition, Link

RIDGE = 3.0  # in units of one architecture, each fact scaled by its spread

Facts = tuple[float, ...]


def facts(arch: Arch, accuracy: float, predicted_ms: float) -> Facts:
    """What the accuracy alone is fitted to."""
    blocks = [(group.link, group.decomposition, group.blocks) for group in arch.groups]
    return (
        accuracy,
        math.log(predicted_ms),
        float(len(arch.groups)),
        float(len(arch.skips)),
        *(float(sum(n for link, _, n in blocks if link is one)) for one in Link),
        *(float(sum(n for _, kind, n in blocks if kind is one)) for one in Decomposition),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Of facts, less their mean, in units of their spread."""

    mean: list[float]
    spread: list[float]
    weights: list[float]
    offset: float

    def __call__(self, of: Facts) -> float:
        every = zip(of, self.mean, self.spread, self.weights, strict=True)
        found = self.offset + sum((x - m) / s * w for x, m, s, w in every)
        return min(max(found, 0.0), 1.0)


def fitted(rows: Sequence[Facts], alone: Sequence[float]) -> Correction:
    x, y = np.array(rows, float), np.array(alone, float)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0  # what is the same for all says nothing
    z = (x - mean) / spread
    weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(len(mean)), z.T @ (y - y.mean()))
    return Correction(
        mean=mean.tolist(),
        spread=spread.tolist(),
        weights=weights.tolist(),
        offset=float(y.mean()),
    )


def left_out(rows: Sequence[Facts], alone: Sequence[float]) -> list[float]:
    """Each as fitted to all the others."""
    return [
        fitted([*rows[:n], *rows[n + 1 :]], [*alone[:n], *alone[n + 1 :]])(rows[n])
        for n in range(len(rows))
    ]
