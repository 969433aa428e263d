"""Time, on a clock that tests turn by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kernels import _core, timing
from kernels.crowd import Core
from kernels.timing import (
    Clock,
    Runs,
    Timing,
    Turn,
    doubts,
    measure,
    repeated,
    summarize,
)


class Hand:
    """A clock that stands still until someone works, or is kept from working."""

    def __init__(self, crowd: Callable[[], float] = lambda: 1.0) -> None:
        self.wall = self.cpu = 0
        self.order: list[str] = []
        self.core = Core(crowd)

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.cpu, self.core, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)

    def look(self, times: int) -> None:
        for _ in range(times):
            self.core.crowded()

    def work(self, ns: int) -> None:
        self.wall += ns
        self.cpu += ns

    def thing(self, name: str, ns: int, kept_waiting: Callable[[], int] = lambda: 0) -> Runs:
        def runs(n: int) -> list[float]:
            self.order.append(name)
            self.wall += kept_waiting()
            self.work(n * ns)
            return [float(ns)] * n

        return runs


def turn(*took: float, disturbed: bool = False, crowded: bool = False) -> Turn:
    return Turn(took, disturbed, crowded)


def test_a_slow_run_moves_neither_median_nor_spread() -> None:
    got = summarize([turn(10, 11, 12, 13, 1_000_000)])
    assert (got.median_ns, got.spread_ns) == (12, 1)
    assert got.low_ns == pytest.approx(10.4)


def test_disturbed_turns_do_not_count_where_enough_others_are_left() -> None:
    got = summarize([turn(10), turn(10), turn(10), turn(90, disturbed=True)])
    assert got == Timing(10, 0, 10, rounds=3, disturbed=0.25)
    assert got.trusted


def test_disturbed_turns_count_where_hardly_another_is_left() -> None:
    got = summarize([turn(10), turn(90, disturbed=True), turn(90, disturbed=True)])
    assert (got.median_ns, got.rounds) == (90, 3)
    assert not got.trusted


def test_turns_alone_on_the_core_count_where_there_are_enough() -> None:
    alone, crowded = turn(10), turn(20, crowded=True)
    got = summarize([alone, crowded, alone, crowded, alone])
    assert (got.median_ns, got.rounds, got.crowded) == (10, 3, 0.4)
    got = summarize([alone, crowded, alone, crowded])
    assert (got.median_ns, got.rounds, got.crowded) == (15, 4, 0.5)
    assert got.trusted  # others on the core slow everything that is compared


def test_a_round_waits_for_others_to_leave_the_core_while_patience_lasts() -> None:
    crowd = iter([1.0] * 3 + [2.0] * 5 + [1.0] * 99)  # five looks at others
    hand = Hand(lambda: next(crowd))
    hand.look(3)
    measure({"it": hand.thing("it", 1000)}, rounds=1, patience_s=1.0, clock=hand.clock)
    waited = hand.wall / 1e9
    assert 5 * timing.PAUSE_S <= waited < 6 * timing.PAUSE_S
    hand = Hand(lambda: 1.0 if hand.wall == 0 else 2.0)
    hand.look(3)
    hand.wall = 1
    got = measure({"it": hand.thing("it", 1000)}, rounds=9, patience_s=1.0, clock=hand.clock)["it"]
    assert 1.0 <= hand.wall / 1e9 < 1.1
    assert got.crowded == 1


def test_the_core_is_not_asked_where_several_threads_run() -> None:
    hand = Hand(lambda: pytest.fail("it looked"))
    measure({"it": hand.thing("it", 1000)}, rounds=2, least_cpu=0, clock=hand.clock)


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one turn"):
        summarize([])


@pytest.mark.parametrize(("spread", "steady"), [(5.0, True), (5.1, False)])
def test_steady_is_a_spread_of_a_twentieth(spread: float, steady: bool) -> None:
    assert Timing(100, spread, 90, rounds=9, disturbed=0).steady is steady


def test_a_plain_callable_is_timed_call_by_call() -> None:
    hand = Hand()
    pace = iter([7, 8, 9])
    assert repeated(lambda: hand.work(next(pace)), hand.clock)(3) == [7, 8, 9]


def test_things_take_turns_after_a_warm_up() -> None:
    hand = Hand()
    things = {name: hand.thing(name, 1000) for name in "ab"}
    measure(things, rounds=3, clock=hand.clock)
    assert hand.order == ["a", "b"] + ["a", "b"] * 3


def test_the_first_runs_of_a_turn_are_dropped() -> None:
    hand = Hand()

    def cold_at_first(n: int) -> list[float]:
        hand.work(n * 100)
        return [9999.0, *[100.0] * (n - 1)]

    got = measure({"it": cold_at_first}, rounds=4, turn_ns=100, clock=hand.clock)["it"]
    assert (got.median_ns, got.spread_ns, got.low_ns) == (100, 0, 100)


def test_a_turn_lasts_about_as_long_as_asked_and_slow_things_run_twice() -> None:
    asked: dict[str, list[int]] = {"fast": [], "slow": []}

    def thing(name: str, ns: float) -> Runs:
        return lambda n: asked[name].append(n) or [ns] * n  # type: ignore[func-returns-value]

    measure(
        {n: thing(n, ns) for n, ns in (("fast", 10.0), ("slow", 1e9))}, 2, turn_ns=1000, tries=1
    )
    assert asked == {"fast": [2, 120, 120], "slow": [2, 2, 2]}


def test_what_to_say_of_doubtful_times() -> None:
    calm = Timing(1.0, 0.0, 1.0, 5, disturbed=0.0, crowded=0.7)
    busy, shared = replace(calm, disturbed=0.3, crowded=1.0), replace(calm, crowded=0.75)
    assert calm.doubt == doubts([calm]) == doubts([]) == ""
    assert busy.doubt == "the machine was too busy to trust this"
    assert shared.doubt == "others shared the core: it may take half of this"
    assert doubts([shared, calm, busy, shared]) == (
        "1 while the machine was too busy to trust, 2 while others shared the core"
    )


def test_a_busy_machine_is_tried_again_and_the_quiet_attempt_comes_back() -> None:
    hand = Hand()
    waits = iter([0, *[1_000_000] * 5])  # through the warm-up, then all of the first attempt
    busy = hand.thing("it", 1000, lambda: next(waits, 0))
    got = measure({"it": busy}, rounds=5, tries=3, clock=hand.clock)["it"]
    assert got.disturbed == 0
    assert len(hand.order) == 1 + 2 * 5


def test_a_machine_that_stays_busy_is_given_up_and_says_so() -> None:
    hand = Hand()
    busy = hand.thing("it", 1000, lambda: 10_000_000)
    got = measure({"it": busy}, rounds=5, tries=3, clock=hand.clock)["it"]
    assert not got.trusted
    assert got.disturbed == 1
    assert len(hand.order) == 1 + 3 * 5


def test_waiting_for_other_threads_is_no_disturbance_where_that_is_said() -> None:
    hand = Hand()
    thing = hand.thing("it", 1_000_000, lambda: 400_000)  # a turn is 2 runs: 2 of 2.4 ms
    assert timing.least_cpu(1) == timing.LEAST_CPU
    assert timing.least_cpu(2) == 0
    strict = measure({"it": thing}, 5, turn_ns=1, tries=1, clock=hand.clock)["it"]
    lax = measure({"it": thing}, 5, turn_ns=1, tries=1, least_cpu=0.7, clock=hand.clock)["it"]
    assert (strict.disturbed, lax.disturbed) == (1, 0)


@pytest.mark.parametrize(("rounds", "tries"), [(0, 1), (1, 0)])
def test_no_rounds_and_no_tries_are_errors(rounds: int, tries: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        measure({}, rounds, tries=tries)


def test_the_real_clock_runs() -> None:
    took = timing.repeated(lambda: sum(range(1000)))(3)
    assert len(took) == 3
    assert all(ns >= 0 for ns in took)


def test_what_it_takes_to_read_the_clock_is_in_no_time() -> None:
    """Of a run that does nothing nothing is left; a small op takes but ten times a reading."""
    assert min(_core.clock_nothing(1000)) <= 3
    with pytest.raises(ValueError, match="rounds is 1 to"):
        _core.clock_nothing(0)
