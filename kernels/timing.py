"""Honest time: a median with its spread, taken in rounds that are shared by what is compared.

In each round everything has its turn, so a slow minute of the machine slows all alike. A turn is a
few runs in a row, of which the first, that find their data out of the cache, do not count. A turn
in which this thread got less processor time than passed on the wall was disturbed by others, and
does not count either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Runs = Callable[[int], Sequence[float]]  # runs so many times; the nanoseconds of each
K = TypeVar("K", bound=Hashable)

TRUSTED = 0.25  # of the turns may be disturbed
STEADY = 0.05  # of the median may be the spread
LEAST_CPU = 0.95  # of the wall time must be processor time, or the turn was disturbed
FEWEST = 3  # turns that must be left when the disturbed ones are dropped
LOW = 0.1  # the low quantile


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds of one run: the median, and the median distance from it.

    `low_ns` is the lowest tenth: what a quiet moment gives. `rounds` are those that count,
    `disturbed` the share of all turns that others disturbed.
    """

    median_ns: float
    spread_ns: float
    low_ns: float
    rounds: int
    disturbed: float

    @property
    def steady(self) -> bool:
        return self.spread_ns <= STEADY * self.median_ns

    @property
    def trusted(self) -> bool:
        """Whether the machine was quiet enough for this number to mean something."""
        return self.disturbed <= TRUSTED


@dataclass(frozen=True, slots=True)
class Turn:
    """The nanoseconds of its runs, and whether others disturbed it."""

    took: tuple[float, ...]
    disturbed: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """Nanoseconds on the wall, and nanoseconds this thread was running."""

    wall: Callable[[], int] = time.perf_counter_ns
    cpu: Callable[[], int] = time.thread_time_ns


CLOCK = Clock()


def repeated(call: Callable[[], object], clock: Clock = CLOCK) -> Runs:
    """Time a plain callable. What Python does to call it is in the time."""

    def runs(n: int) -> list[float]:
        took: list[float] = []
        for _ in range(n):
            begun = clock.wall()
            call()
            took.append(float(clock.wall() - begun))
        return took

    return runs


def summarize(turns: Sequence[Turn]) -> Timing:
    """One number out of many turns; disturbed ones count only where hardly any other is left."""
    if not turns:
        raise ValueError("a timing wants at least one turn; got none")
    quiet = [turn for turn in turns if not turn.disturbed]
    kept = quiet if len(quiet) >= min(FEWEST, len(turns)) else list(turns)
    took = np.concatenate([turn.took for turn in kept])
    median = float(np.median(took))
    return Timing(
        median_ns=median,
        spread_ns=float(np.median(np.abs(took - median))),
        low_ns=float(np.quantile(took, LOW)),
        rounds=len(kept),
        disturbed=1 - len(quiet) / len(turns),
    )


def measure(
    things: Mapping[K, Runs],
    rounds: int = 20,
    *,
    turn_ns: float = 1.5e6,
    tries: int = 3,
    least_cpu: float = LEAST_CPU,
    clock: Clock = CLOCK,
) -> dict[K, Timing]:
    """Time several things, turn by turn, in so many rounds.

    When the machine was too busy to trust, all of it is measured again, `tries` times at most, and
    the quietest attempt is what comes back: look at `trusted`. `turn_ns` is how long a turn may
    last; what takes longer runs twice. With several threads, of which this one waits for the
    others, processor time says nothing of disturbance: give a `least_cpu` of 0.
    """
    if rounds < 1 or tries < 1:
        raise ValueError(f"rounds and tries are at least 1; got {rounds} and {tries}")
    counts = {name: _runs_in_a_turn(runs, turn_ns) for name, runs in things.items()}
    attempts: list[dict[K, Timing]] = []
    while len(attempts) < tries:
        turns: dict[K, list[Turn]] = {name: [] for name in things}
        for _ in range(rounds):
            for name, runs in things.items():
                turns[name].append(_turn(runs, *counts[name], least_cpu, clock))
        attempts.append({name: summarize(of) for name, of in turns.items()})
        if all(timing.trusted for timing in attempts[-1].values()):
            break
    return min(attempts, key=lambda timings: sum(t.disturbed for t in timings.values()))


def _runs_in_a_turn(runs: Runs, turn_ns: float) -> tuple[int, int]:
    """How many runs to drop and to keep, judged by the second of two: the first is a warm-up."""
    took = max(float(runs(2)[1]), 1.0)
    keep = int(min(max(turn_ns / took, 1), 200))
    return max(1, keep // 5), keep


def _turn(runs: Runs, drop: int, keep: int, least_cpu: float, clock: Clock) -> Turn:
    wall, cpu = clock.wall(), clock.cpu()
    took = runs(drop + keep)
    cpu, wall = clock.cpu() - cpu, clock.wall() - wall
    return Turn(tuple(took[drop:]), disturbed=cpu < least_cpu * wall)
