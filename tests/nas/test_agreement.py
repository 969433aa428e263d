"""Rank correlations are what their definitions say, ties included."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from nas.ranks import agreement
from nas.ranks.agreement import (
    Ranked,
    bootstrapped,
    equal_bands,
    spearman,
    tau,
    tau_within,
    top_third,
)

# Few distinct values, so that ties, the hard part, are common.
rows = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=4, max_size=9)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "RESAMPLES", 40)


def by_pairs(of: list[tuple[int, ...]], *, banded: bool) -> float | None:
    """(concordant - discordant) / sqrt(pairs that differ in x * pairs that differ in y)"""
    same = untied_x = untied_y = 0
    for (a, x, y), (b, u, v) in combinations(of, 2):
        if banded and a != b:
            continue
        same += ((x > u) - (x < u)) * ((y > v) - (y < v))
        untied_x, untied_y = untied_x + (x != u), untied_y + (y != v)
    return same / sqrt(untied_x * untied_y) if untied_x and untied_y else None


@given(of=rows)
def test_tau_within_bands_is_that_of_the_pairs_in_them(of: list[tuple[int, ...]]) -> None:
    bands, x, y = (list(column) for column in zip(*of, strict=True))
    wanted = by_pairs(of, banded=True)
    assert tau_within(bands, x, y).value == (None if wanted is None else pytest.approx(wanted))


@given(of=rows)
def test_tau_is_that_of_all_pairs(of: list[tuple[int, ...]]) -> None:
    _, x, y = (list(column) for column in zip(*of, strict=True))
    wanted = by_pairs(of, banded=False)
    assert tau(x, y).value == (None if wanted is None else pytest.approx(wanted))


def test_rho_is_the_correlation_of_ranks_with_ties() -> None:
    x, y = [0.1, 0.4, 0.4, 0.9, 0.3, 0.2], [1.0, 3.0, 2.0, 2.0, 5.0, 0.5]
    assert spearman(x, y).value == pytest.approx(spearmanr(x, y).statistic)


def test_the_interval_is_of_what_is_drawn_with_replacement() -> None:
    x = np.arange(12.0)
    y = np.array([0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10.0])
    rng = np.random.default_rng(7)
    draws = [rng.integers(0, 12, 12) for _ in range(40)]
    wanted = np.quantile([kendalltau(x[d], y[d]).statistic for d in draws], (0.025, 0.975))
    found = tau(x.tolist(), y.tolist(), seed=7)
    assert (found.low, found.high) == pytest.approx(tuple(wanted))
    assert found.low is not None
    assert found.value is not None
    assert found.low < found.value <= 1.0
    assert tau(x.tolist(), y.tolist(), seed=8) != found


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert tau([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]) == Ranked(None, None, None)
    assert bootstrapped(lambda some: 1.0, 3, 0) == Ranked(None, None, None)


def test_the_best_third_is_by_what_they_reach() -> None:
    assert top_third([0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.7]) == [1, 3, 5]


def test_bands_have_as_many_each_and_are_by_time() -> None:
    times = [5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 0.0]
    assert equal_bands(times, each=5) == [int(time >= 5) for time in times]
    assert equal_bands(times[:3], each=5) == [0, 0, 0]
