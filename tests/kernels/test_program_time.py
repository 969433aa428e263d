"""How a program is timed, and what is said of times that others disturbed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from programs import small

from kernels import baselines, case, program_time, timing
from kernels.engine import Engine
from kernels.ops import BinaryConv
from kernels.program import Normal
from kernels.program_time import Times
from kernels.timing import Timing

QUIET = Timing(1000.0, 1.0, 990.0, rounds=9, disturbed=0.0)
OP = BinaryConv(height=4, width=4, channels=8, filters=8)


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The `least_cpu` of each measurement."""
    asked: list[float] = []

    def measure(things: Any, *_: Any, least_cpu: float = timing.LEAST_CPU, **__: Any) -> Any:
        asked.append(least_cpu)
        return dict.fromkeys(things, QUIET)

    monkeypatch.setattr(timing, "measure", measure)
    return asked


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("torch", [False, True])
def test_several_threads_that_wait_for_each_other_are_no_busy_machine(
    threads: int, torch: bool, shares: list[float]
) -> None:
    if torch:
        pytest.importorskip("torch")
    engine = Engine(small(), threads=threads, measured=False)
    program_time.measured(engine, 1, 1, torch=torch)
    assert set(shares) == {timing.least_cpu(threads)}
    assert (len(shares) > 1) == torch


@pytest.mark.parametrize(("normal", "kind"), [(small().normal, "uint8"), (None, "float32")])
def test_the_whole_begins_with_pixels_where_they_can_be_normalised(
    normal: Normal | None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def measure(things: Any, *_: Any, **__: Any) -> Any:
        (images,) = things[0].args
        given.append(str(images.dtype))
        return {0: QUIET}

    monkeypatch.setattr(timing, "measure", measure)
    program = replace(small(), normal=normal)
    program_time.measured(Engine(program, measured=False), 1, 1, torch=False)
    assert given == [kind]
    assert case.images(program, 1).dtype == "float32"


@pytest.mark.parametrize("threads", [1, 2])
def test_nor_are_those_of_torch(threads: int, shares: list[float]) -> None:
    pytest.importorskip("torch")
    with baselines.threads(threads):
        baselines.best(OP, 1)
        baselines.best_float32(OP, 1)
        baselines.best_int8(OP)
    assert len(shares) >= len(("float32", "int8", "float32", "int8"))
    assert set(shares) == {timing.least_cpu(threads)}


def test_a_ratio_says_what_is_doubtful_of_the_time_of_torch() -> None:
    engine = Engine(small(), measured=False)
    busy, quiet = engine.program.ops[0], engine.program.ops[1]
    theirs = {busy: replace(QUIET, disturbed=1.0), quiet: QUIET}
    times = Times(QUIET, np.full(len(engine.program.nodes), 500.0), theirs)
    doubtful, other = [line for line in times.lines(engine) if " 2.0 " in line]
    assert doubtful.endswith("; x f32: the machine was too busy to trust this")
    assert "x f32" not in other
