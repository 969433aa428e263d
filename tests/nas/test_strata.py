"""A sample covers the range of time, and half of it is left to chance."""

from __future__ import annotations

from random import Random

import pytest

from nas.ranks import strata as drawing
from nas.ranks.strata import sample, strata
from search_spaces.arch import Arch
from search_spaces.cost import cost
from search_spaces.extremes import extremes
from search_spaces.planner import plan
from search_spaces.space import Space
from search_spaces.spaces import find_space

SPACE: Space = find_space("groupnet", "digits")


def time(arch: Arch) -> float:
    return cost(plan(arch, SPACE.backbone)).ops


def test_each_part_of_the_range_gives_one() -> None:
    times = {f"k{n}": float(n) for n in range(100)}
    chosen = strata(times, 5, Random(0))
    assert [int(times[key] / 19.8) for key in chosen] == [0, 1, 2, 3, 4]
    del times["k30"], times["k31"]
    gap = {key: t for key, t in times.items() if not 20 <= t < 40}
    assert len(strata(gap, 5, Random(0))) == 4


def test_it_covers_the_range_and_is_as_large_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many blocks, what is drawn at random lies in the middle of the range."""
    monkeypatch.setattr(drawing, "POOL", 60)
    space = find_space("groupnet", "resnet20")

    def ops(arch: Arch) -> float:
        return cost(plan(arch, space.backbone)).ops

    found = sample(space, ops, 12, seed=0)
    taken = [ops(arch) for arch in found]
    assert taken == sorted(taken)
    assert len({arch.key for arch in found}) == 12
    ends = extremes(space)
    low, high = ops(ends.smallest), ops(ends.largest)
    parts = [min(int((t - low) / (high - low) * 6), 5) for t in taken]
    assert set(parts) == {0, 1, 2, 3, 4, 5}
    assert max(parts.count(part) for part in parts) >= 3, "half of them is left to chance"


def test_the_seed_says_which() -> None:
    keys = [[arch.key for arch in sample(SPACE, time, 10, seed)] for seed in (0, 0, 1)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_a_space_may_have_too_few(dozen: Space) -> None:
    assert len(sample(dozen, lambda arch: float(len(arch.key)), 12, seed=0)) == 12
    with pytest.raises(ValueError, match="has 12 architectures or so; got 13"):
        sample(dozen, lambda arch: 1.0, 13, seed=0)
