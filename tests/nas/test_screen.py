"""What is said of the time that is left, where the output is no screen."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from nas.console import screen
from nas.console.screen import Screen
from nas.phases.exploring import _Told


class Clock:
    """A second passes only where it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_what_ray_takes_to_start_is_not_the_speed_of_candidates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(screen, "time", clock)
    with Screen().bar("explore") as bar:
        bar.at(40, 200, "starting")
        clock.now += 60
        bar.begins(41, 200)
        for done in range(42, 81):
            clock.now += 1
            bar.at(done, 200, f"{done} of 200 scored")
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("42 of 200 scored, 2 min 38 s left")
    assert said[1].endswith("62 of 200 scored, 2 min 18 s left")


def test_the_clock_of_a_search_starts_with_its_first_candidate() -> None:
    begun: list[tuple[float, float]] = []

    class Bar:
        def begins(self, done: float, total: float) -> None:
            begun.append((done, total))

        def at(self, done: float, total: float, text: str) -> None:
            pass

    class Of:
        candidates, trials = 40, 200

    class Working:
        asked = Of()

    told = _Told(Working(), None, Bar())  # type: ignore[arg-type]
    for scored in (1, 2, 3):
        time.sleep(0.001)
        told(Of(), scored)  # type: ignore[arg-type]
    assert begun == [(41, 200)]
    assert told.rate > 0


def test_fewer_trials_than_before_leave_no_time_below_nothing() -> None:
    """A batch that is under way is ended: 33 of 24."""
    said: list[tuple[float, float, str]] = []
    bar = SimpleNamespace(begins=lambda *given: None, at=lambda *given: said.append(given))
    told = _Told(SimpleNamespace(asked=SimpleNamespace(trials=24)), None, bar)  # type: ignore[arg-type]
    told(SimpleNamespace(candidates=20), 13)  # type: ignore[arg-type]
    assert said == [(33, 33, "33 of 33 scored")]
