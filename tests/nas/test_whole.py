"""Whole programs take turns, and all of them together wait so long for the core to be theirs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import profile, timing
from kernels.engine import Images
from kernels.profile import Asked
from nas.times.whole import by_node, engine_of, timed, turns
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan

PLAN = plan(find_arch("groupnet-k1", "digits"), find_backbone("digits"))


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

    engine = engine_of(PLAN, Asked(threads=threads))
    monkeypatch.setattr(profile, "PATIENCE_S", 9.0)
    monkeypatch.setattr(timing, "waited", waited)
    found = list(timed({"it": engine}, rounds=2))
    assert len(found) == turns(1) == profile.PASSES
    assert found[-1]["it"].median_ns > 0
    assert asked == budgets


def test_of_a_programs_nodes_the_pass_counts_in_which_all_took_least() -> None:
    class Clocked:
        """Slow in all passes but the second; its two nodes take a third and two thirds."""

        program = engine_of(PLAN, Asked()).program
        calls = 0

        def clock_nodes(self, images: Images, rounds: int) -> NDArray[np.int64]:
            self.calls += 1
            ns = 3_000 if self.calls in (3, 4) else 6_000  # two calls a pass
            return np.full((rounds, 2), (ns // 3, ns * 2 // 3), np.int64)

    found = by_node({"it": Clocked()})  # type: ignore[dict-item]
    assert found["it"].tolist() == [1_000, 2_000]
