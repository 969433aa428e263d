"""Fronts, knees and hypervolumes against their definitions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import pareto

# Few distinct values, so that ties, the hard part, are common.
tables = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.tuples(*[st.integers(0, 3)] * n), min_size=1, max_size=12)
)
quick = settings(deadline=None, derandomize=True, max_examples=60)


def beats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


@quick
@given(costs=tables)
def test_the_front_is_what_nothing_beats(costs: list[tuple[int, ...]]) -> None:
    expected = [not any(beats(other, row) for other in costs) for row in costs]
    assert pareto.front(costs) == expected


def test_nothing_has_an_empty_front() -> None:
    assert pareto.front([]) == []


@quick
@given(costs=tables)
def test_hypervolume_is_the_share_of_cells_that_are_covered(costs: list[tuple[int, ...]]) -> None:
    reference = [3] * len(costs[0])
    cells = list(itertools.product(range(3), repeat=len(costs[0])))
    for covered in pareto.hypervolume(costs, reference):
        seen = costs[: covered.seen]
        inside = sum(
            any(all(c <= at for c, at in zip(one, cell, strict=True)) for one in seen)
            for cell in cells
        )
        assert covered.share == pytest.approx(inside / len(cells))
    assert covered.seen == len(costs)


def test_hypervolume_has_an_entry_wherever_it_grows_and_at_the_end() -> None:
    costs = [None, (0.5, 0.5), (0.6, 0.6), None, (0.25, 0.75), (1.0, 0.0), None]
    grown = list(pareto.hypervolume(costs, (1.0, 1.0)))
    assert [covered.seen for covered in grown] == [2, 5, 7]
    assert [covered.share for covered in grown] == pytest.approx([0.25, 0.3125, 0.3125])


def test_the_knee_is_farthest_below_the_line_between_the_ends() -> None:
    #  1 x            drawn: the line from (0, 1) to (10, 0) passes (2, .8), (6, .4)
    # .3   x   <- .8 - .3 = .5 below
    # .2       x <- .4 - .2 = .2 below
    #  0             x
    points = [(0, 1), (2, 0.3), (6, 0.2), (10, 0)]
    assert pareto.knee(points) == 1
    assert pareto.knee([(1000 * x, 7 + y / 1000) for x, y in points]) == 1


@pytest.mark.parametrize(
    "points",
    [[], [(1, 1)], [(0, 1), (1, 0)], [(0, 1), (0.5, 0.5), (1, 0)], [(0, 1), (0.6, 0.6), (1, 0)]],
)
def test_there_is_no_knee_without_three_points_and_a_bend(points: list[tuple[float, ...]]) -> None:
    assert pareto.knee(points) is None


def test_the_band_of_random_orders_holds_the_middle_and_meets_at_the_end() -> None:
    costs = [(1 - n / 40, (n * 7 % 40) / 40 + 0.01) for n in range(1, 40)]
    band = pareto.band(costs, (1.0, 1.1))
    assert [one.seen for one in band][:3] == [1, 2, 3]
    assert all(one.low <= one.high for one in band)
    assert band[3].low < band[3].high
    assert band[-1].seen == 39
    (*_, last) = pareto.hypervolume(costs, (1.0, 1.1))
    assert band[-1].low == pytest.approx(last.share) == pytest.approx(band[-1].high)
    assert pareto.band(costs, (1.0, 1.1)) == band


def test_the_first_candidate_counts_in_the_band() -> None:
    band = pareto.band([(0.5, 0.5)] * 4, (1.0, 1.0))
    assert [(one.seen, one.low, one.high) for one in band] == [
        (n, pytest.approx(0.25), pytest.approx(0.25)) for n in (1, 2, 3, 4)
    ]
