"""Whole programs take turns, and all of them together wait so long for the core to be theirs."""

from __future__ import annotations

import pytest

from kernels import profile, timing
from kernels.profile import Asked
from nas.whole import engine_of, timed, turns
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan


@pytest.mark.parametrize(("threads", "budgets"), [(1, [9.0, 5.0, 1.0]), (2, [])])
def test_all_passes_together_wait_so_long(
    threads: int, budgets: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def waited(seconds: float, *within: timing.Clock) -> float:
        if within:  # the rounds of a measurement ask too, with its clock
            return 0.0
        asked.append(seconds)
        return 4.0

    engine = engine_of(
        plan(find_arch("groupnet-k1", "digits"), find_backbone("digits")), Asked(threads=threads)
    )
    monkeypatch.setattr(profile, "PATIENCE_S", 9.0)
    monkeypatch.setattr(timing, "waited", waited)
    found = list(timed({"it": engine}, rounds=2))
    assert len(found) == turns(1) == profile.PASSES
    assert found[-1]["it"].median_ns > 0
    assert asked == budgets
