"""How long an architecture will take: the sum of its measured ops, and what lies between them.

    predicted = overhead + a node's overhead * nodes + factor * sum of the ops' times

An op that is timed by itself finds its weights where its last run left them; in a program others
ran in between. What that costs is fitted on a few whole programs: random weights do, for time does
not depend on them. How far off it is has to be said of programs that were not used for fitting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kernels.profile import Profile
from search_spaces.plan import Plan


class Sample(NamedTuple):
    """A program that was measured whole."""

    plan: Plan
    measured_ns: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Predicts for the machine of its profile."""

    profile: Profile
    overhead_ns: float = 0.0
    node_ns: float = 0.0
    factor: float = 1.0

    def predict_ns(self, plan: Plan) -> float:
        """For one image. A KeyError names an op that the profile lacks."""
        every, nodes = _features(self.profile, plan)
        return self.overhead_ns + self.node_ns * nodes + self.factor * every

    def missing(self, plan: Plan) -> list[str]:
        """The ops of a plan that were not measured."""
        return [str(op) for op in dict.fromkeys(plan.ops) if op not in self.profile.entries]


def _features(profile: Profile, plan: Plan) -> tuple[float, int]:
    return sum(profile.time_ns(op) for op in plan.ops), len(plan.ops)


def fit(profile: Profile, samples: Sequence[Sample]) -> Latency:
    """Least squares of the relative error, and no negative overhead."""
    from scipy.optimize import nnls

    if len(samples) < 4:
        raise ValueError(f"at least 4 measured programs are wanted to fit; got {len(samples)}")
    rows = np.array([[1.0, n, s] for s, n in (_features(profile, p) for p, _ in samples)])
    measured = np.array([sample.measured_ns for sample in samples])
    found, _ = nnls(rows / measured[:, None], np.ones(len(samples)))
    return Latency(profile, *(float(part) for part in found))


class Errors(NamedTuple):
    """Of predictions beside what was measured: relative errors, and how well they rank."""

    relative: tuple[float, ...]
    tau: float

    def within(self, share: float) -> float:
        return float(np.mean(np.abs(self.relative) <= share))


def errors(latency: Latency, samples: Iterable[Sample]) -> Errors:
    """Of programs that were not used for fitting."""
    from scipy.stats import kendalltau

    pairs = [(latency.predict_ns(plan), measured) for plan, measured in samples]
    predicted, measured = np.array(pairs).T
    tau = float(kendalltau(predicted, measured).statistic)
    return Errors(tuple((predicted / measured - 1).tolist()), tau)
