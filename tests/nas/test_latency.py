"""Predicted time: a sum of measured ops, and what is fitted on whole programs."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from kernels import profile
from kernels.profile import Asked, Entry, Profile
from kernels.timing import Timing
from nas.benches.latency import drawn
from nas.times.latency import Latency, Sample, errors, fit
from search_spaces.backbones import find_backbone
from search_spaces.plan import Plan
from search_spaces.spaces import SPACES

SPACE = SPACES["groupnet"](find_backbone("resnet20"))
PLANS = drawn(SPACE, 40, seed=1)


@pytest.fixture(scope="module")
def made_up() -> Profile:
    """Each op at random, as if it had been measured."""
    rng = Random(2)
    ops = dict.fromkeys(op for planned in PLANS for op in planned.ops)
    entries = [Entry(op, "none", Timing(rng.uniform(1e3, 9e4), 1.0, 1.0, 9, 0.0)) for op in ops]
    return profile.empty(Asked()).with_entries(entries)


def truth(profiled: Profile, planned: Plan) -> float:
    return 4000 + 150 * len(planned.ops) + 1.07 * sum(map(profiled.time_ns, planned.ops))


def test_what_lies_between_ops_is_found_again(made_up: Profile) -> None:
    samples = [Sample(planned, truth(made_up, planned)) for planned in PLANS]
    latency = fit(made_up, samples[:20])
    off = errors(latency, samples[20:])
    assert max(map(abs, off.relative)) < 1e-6
    assert off.tau == 1
    assert latency.factor == pytest.approx(1.07)
    alone = errors(Latency(made_up), samples[20:])
    assert max(alone.relative) < -0.05


def test_nothing_takes_less_than_no_time(made_up: Profile) -> None:
    samples = [
        Sample(planned, 0.9 * sum(map(made_up.time_ns, planned.ops)) - 2000 * len(planned.ops))
        for planned in PLANS
    ]
    latency = fit(made_up, samples)
    assert min(latency.overhead_ns, latency.node_ns, latency.factor) >= 0


def test_of_what_takes_no_less_than_nothing_the_best_is_found(made_up: Profile) -> None:
    """What is left out first matters: a constant alone fits here, time for each node does not."""
    rng = Random(1)
    samples = [
        Sample(p, (400_000 + 1.05 * sum(map(made_up.time_ns, p.ops))) * rng.gauss(1, 0.01))
        for p in PLANS[:16]
    ]

    def squares(latency: Latency) -> float:
        return sum((latency.predict_ns(p) / measured - 1) ** 2 for p, measured in samples)

    found = fit(made_up, samples)
    for overhead in np.linspace(300_000, 500_000, 21):
        for node in np.linspace(0, 1000, 3):
            for factor in np.linspace(0.95, 1.15, 21):
                assert squares(found) <= squares(Latency(made_up, overhead, node, factor)) + 1e-12


def test_an_op_that_was_not_measured_is_named(made_up: Profile) -> None:
    other = drawn(SPACES["abcnet"](find_backbone("resnet18")), 1, seed=0)[0]
    assert Latency(made_up).missing(other)[0].startswith("RealConv(height=224")
    with pytest.raises(KeyError, match="the profile has no RealConv"):
        Latency(made_up).predict_ns(other)
    assert Latency(made_up).missing(PLANS[0]) == []


def test_few_programs_fit_nothing(made_up: Profile) -> None:
    with pytest.raises(ValueError, match="at least 4"):
        fit(made_up, [Sample(PLANS[0], 1.0)] * 3)


def test_shares_and_ranks_are_of_the_errors(made_up: Profile) -> None:
    sums = [sum(map(made_up.time_ns, planned.ops)) for planned in PLANS[:4]]
    samples = [
        Sample(planned, one / (1 + off))
        for planned, one, off in zip(PLANS, sums, (0.0, 0.04, -0.07, 0.2), strict=False)
    ]
    off = errors(Latency(made_up), samples)
    assert off.relative == pytest.approx((0.0, 0.04, -0.07, 0.2))
    assert (off.within(0.05), off.within(0.1)) == (0.5, 0.75)
