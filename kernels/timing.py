"""Honest time: a median with its spread, taken in rounds that are shared by what is compared.

In each round everything has its turn, so a slow minute of the machine slows all alike. A turn is a
few runs in a row, of which the first, that find their data out of the cache, do not count. A turn
in which this thread got less processor time than passed on the wall was disturbed by others, and
does not count either.

What no clock tells is who else is on the same core: its other hardware thread may belong to another
virtual machine, and takes up to half of everything. `kernels.crowd` sees it, before and after each
turn; turns alone on the core are the ones that count, where there are enough of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from kernels import crowd
from kernels.crowd import Core

Runs = Callable[[int], Sequence[float]]  # runs so many times; the nanoseconds of each
K = TypeVar("K", bound=Hashable)

TRUSTED = 0.25  # of the turns may be disturbed
STEADY = 0.05  # of the median may be the spread
SHARED = 0.7  # of the turns with others on the core: hardly any are left that were alone
LEAST_CPU = 0.95  # of the wall time must be processor time, or the turn was disturbed
FEWEST = 3  # turns that must be left when the disturbed ones are dropped
LOW = 0.1  # the low quantile
PAUSE_S = 0.002  # between two looks, when waiting for others to leave


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds of one run: the median, and the median distance from it.

    `low_ns` is the lowest tenth: what a quiet moment gives. `rounds` are those that count,
    `disturbed` the share of all turns that others disturbed, `crowded` of those in which they
    shared the core.
    """

    median_ns: float
    spread_ns: float
    low_ns: float
    rounds: int
    disturbed: float
    crowded: float = 0.0

    @property
    def steady(self) -> bool:
        return self.spread_ns <= STEADY * self.median_ns

    @property
    def trusted(self) -> bool:
        """Whether the machine was quiet enough for this number to mean something."""
        return self.disturbed <= TRUSTED

    @property
    def doubt(self) -> str:
        """What to say of this number, if anything."""
        if not self.trusted:
            return "the machine was too busy to trust this"
        return "others shared the core: it may take half of this" if self.shared else ""

    @property
    def shared(self) -> bool:
        return self.crowded > SHARED


@dataclass(frozen=True, slots=True)
class Turn:
    """The nanoseconds of its runs, whether others disturbed it, or shared the core."""

    took: tuple[float, ...]
    disturbed: bool
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """Nanoseconds on the wall, and nanoseconds this thread was running; and where it runs."""

    wall: Callable[[], int] = time.perf_counter_ns
    cpu: Callable[[], int] = time.thread_time_ns
    core: Core = field(default_factory=Core)
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock(core=Core(kept=crowd.file))


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


def doubts(times: Collection[Timing]) -> str:
    """How many of them are doubtful, and why; empty where none is."""
    busy = sum(not time.trusted for time in times)
    shared = sum(time.trusted and time.shared for time in times)
    words = {
        "while the machine was too busy to trust": busy,
        "while others shared the core": shared,
    }
    return ", ".join(f"{count} {why}" for why, count in words.items() if count)


def summarize(turns: Sequence[Turn]) -> Timing:
    """One number out of many turns; disturbed ones count only where hardly any other is left."""
    if not turns:
        raise ValueError("a timing wants at least one turn; got none")
    enough = min(FEWEST, len(turns))
    quiet = [turn for turn in turns if not turn.disturbed]
    alone = [turn for turn in quiet if not turn.crowded]
    kept = next(some for some in (alone, quiet, list(turns)) if len(some) >= enough)
    took = np.concatenate([turn.took for turn in kept])
    median = float(np.median(took))
    return Timing(
        median_ns=median,
        spread_ns=float(np.median(np.abs(took - median))),
        low_ns=float(np.quantile(took, LOW)),
        rounds=len(kept),
        disturbed=1 - len(quiet) / len(turns),
        crowded=sum(turn.crowded for turn in turns) / len(turns),
    )


def measure(
    things: Mapping[K, Runs],
    rounds: int = 20,
    *,
    turn_ns: float = 1.5e6,
    tries: int = 3,
    least_cpu: float = LEAST_CPU,
    patience_s: float = 0.0,
    clock: Clock = CLOCK,
) -> dict[K, Timing]:
    """Time several things, turn by turn, in so many rounds.

    When the machine was too busy to trust, all of it is measured again, `tries` times at most, and
    the quietest attempt is what comes back: look at `trusted`. `turn_ns` is how long a turn may
    last; what takes longer runs twice. What runs in several threads wants the `least_cpu` of them.
    So long, in all, rounds wait for others to leave the core: `patience_s`.
    """
    if rounds < 1 or tries < 1:
        raise ValueError(f"rounds and tries are at least 1; got {rounds} and {tries}")
    counts = {name: _runs_in_a_turn(runs, turn_ns) for name, runs in things.items()}
    attempts: list[dict[K, Timing]] = []
    while len(attempts) < tries:
        turns: dict[K, list[Turn]] = {name: [] for name in things}
        for _ in range(rounds):
            patience_s -= waited(patience_s, clock)
            for name, runs in things.items():
                turns[name].append(_turn(runs, *counts[name], least_cpu, clock))
        attempts.append({name: summarize(of) for name, of in turns.items()})
        if all(timing.trusted for timing in attempts[-1].values()):
            break
    return min(attempts, key=lambda timings: sum(t.disturbed for t in timings.values()))


def least_cpu(threads: int) -> float:
    """Of the wall time, for `measure`; 0: nothing counts as disturbed, and only the spread tells.

    Of several threads the first one waits for the others, and to drop the turns in which it did
    would keep those that ran on one thread. Nor does its core say anything of the others'.
    """
    return LEAST_CPU if threads == 1 else 0.0


def waited(seconds: float, clock: Clock = CLOCK) -> float:
    """Waits until we are alone on the core, or so long; the seconds that it took."""
    begun = clock.wall()
    while (took := (clock.wall() - begun) / 1e9) < seconds and clock.core.crowded():
        clock.sleep(PAUSE_S)
    return took


def _runs_in_a_turn(runs: Runs, turn_ns: float) -> tuple[int, int]:
    """How many runs to drop and to keep, judged by the second of two: the first is a warm-up."""
    took = max(float(runs(2)[1]), 1.0)
    keep = int(min(max(turn_ns / took, 1), 200))
    return max(1, keep // 5), keep


def _turn(runs: Runs, drop: int, keep: int, least_cpu: float, clock: Clock) -> Turn:
    looks = least_cpu > 0
    before = looks and clock.core.crowded()
    wall, cpu = clock.wall(), clock.cpu()
    took = runs(drop + keep)
    cpu, wall = clock.cpu() - cpu, clock.wall() - wall
    crowded = (looks and clock.core.crowded()) or before
    return Turn(tuple(took[drop:]), disturbed=cpu < least_cpu * wall, crowded=crowded)
