"""Whole programs on an ARM machine, bit for bit what they give on this one.

That this one is right, test_engine.py proves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

import numpy as np
import other_cpus
import programs
from driver_questions import Execution, known
from other_cpus import Driver, all_hold, same_bits

from kernels.binary import Result
from kernels.engine import Engine
from kernels.isas import Choice


def executions() -> Iterator[Execution]:
    """Of programs at random that the driver knows: on floats, and on whole numbers if they can."""
    for seed in range(60):
        program = programs.random_program(Random(seed))
        if not all(map(known, program.ops)):
            continue
        image, rng = program.image, np.random.default_rng(seed)
        shape = (1 + seed % 3, image.height, image.width, image.channels)
        floats = rng.standard_normal(shape).astype(np.float32)
        yield Execution(program=program, images=floats, threads=1 + seed % 2)
        if program.normal is not None:
            yield Execution(program=program, images=rng.integers(0, 256, shape, np.uint8))


def all_equal(driver: Driver, isa: str) -> None:
    asked = []
    for e in executions():
        logits = Engine(e.program, measured=False).run(e.images)
        assert np.isfinite(logits).all()
        expected = Result(floats=logits.reshape(len(logits), -1))
        asked.append((e, Choice(isa, "words-rows"), partial(same_bits, e.program.ops, expected)))
    all_hold(driver, asked)


def test_the_driver_gives_what_the_engine_gives() -> None:
    all_equal(other_cpus.on_this_cpu(), "portable")


def test_neon() -> None:
    all_equal(other_cpus.on_arm(), "neon")
