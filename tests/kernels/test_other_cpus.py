"""The machine code for CPUs that this one is not: NEON and AVX-512, emulated, bit for bit.

The driver (driver.cpp) runs here too, so that a fault of its own is told from one of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import other_cpus
from driver_questions import Convolution, Packing
from other_cpus import Answer, Check, Driver

from kernels import bits, isas
from kernels.binary import Constants, Result
from kernels.isas import Choice
from kernels.ops import BinaryConv, BinaryLinear, Curve, Epilogue, Residual


def conv(size: int, channels: int, filters: int, **more: Any) -> BinaryConv:
    return BinaryConv(height=size, width=size, channels=channels, filters=filters, **more)


# Words of 32 signs that are full, over-full and barely begun; blocks of 64, 32 and 16 filters that
# are full or not; fewer and more pixels than a tile, a panel (64) and a strip of patches have; a
# tally of bytes that has to be emptied (31 words) just before, at and after the end of a field.
SHAPES = [
    conv(1, 1, 1, kernel=1),
    conv(5, 1, 16, padding=1),
    conv(5, 8, 24, kernel=2),
    conv(6, 16, 37, stride=2, padding=1),
    conv(6, 16, 37, padding=1),
    conv(7, 24, 64, dilation=2, padding=2),
    conv(9, 33, 70, padding=1),
    conv(5, 64, 64, kernel=5, padding=2),
    conv(8, 64, 16, kernel=7, padding=3, stride=2),
    conv(6, 65, 37, kernel=2, dilation=2),
    conv(5, 130, 70, kernel=1),
    conv(9, 130, 24, stride=2, dilation=2, padding=1),
    conv(10, 577, 70, padding=1),
    conv(3, 577, 1, kernel=1),
    conv(3, 30 * 32, 32, kernel=1),
    conv(3, 31 * 32, 48, kernel=1),
    conv(3, 32 * 32, 64, kernel=1),
    conv(3, 62 * 32, 16, kernel=1),
    BinaryConv(height=2, width=67, channels=32, filters=64, kernel=1),
    BinaryConv(height=71, width=1, channels=64, filters=32, kernel=1),
    conv(5, 33, 37, bases=3, padding=1),
    conv(5, 64, 70, inputs=3, bases=3, own=True, padding=1),
    conv(4, 24, 24, inputs=2, bases=3, padding=1),
    BinaryLinear(channels=577, filters=70, inputs=2, bases=2).as_conv(),
]

AFTER = [
    Epilogue(floats=True),
    Epilogue(signs=1),
    Epilogue(signs=3),
    Epilogue(signs=1, inner=Curve.PRELU),
    Epilogue(signs=2, outer=Curve.RELU),
    Epilogue(floats=True, inner=Curve.PRELU),
    Epilogue(floats=True, signs=2, inner=Curve.RELU),
    Epilogue(floats=True, signs=1, residual=Residual.ONE),
    Epilogue(signs=2, residual=Residual.EACH),
    Epilogue(floats=True, outer=Curve.NONE),
    Epilogue(floats=True, signs=3, outer=Curve.PRELU),
    Epilogue(floats=True, sum=True),
    Epilogue(signs=1, sum=True, residual=Residual.ONE, outer=Curve.PRELU),
    Epilogue(
        floats=True,
        signs=2,
        sum=True,
        inner=Curve.PRELU,
        residual=Residual.EACH,
        outer=Curve.PRELU,
    ),
]

OPS = SHAPES + [
    op
    for after in AFTER
    for op in (
        conv(4, 33, 16, inputs=3, bases=3, own=True, after=after, padding=1),
        conv(4, 64, 37, inputs=2, bases=2, after=after, kernel=2),
        conv(3, 16, 70, bases=2, after=after),
        conv(4, 16, 48, after=after, padding=1),
        conv(3, 8, 64, after=after, kernel=1),
    )
]

CHANNELS = (1, 8, 16, 24, 33, 64, 65, 130, 577)


def packings() -> Iterator[tuple[Packing, Check]]:
    rng = np.random.default_rng(0)
    for channels in CHANNELS:
        # Few distinct values, so that many are equal to their threshold.
        values = rng.integers(-2, 3, (5, channels)).astype(np.float32)
        thresholds = rng.integers(-1, 2, (2, channels)).astype(np.float32)
        values.flat[:: channels + 1] = np.nan
        values[values == 0] *= -1
        below = np.where(values < thresholds[:, None], -1, 1).astype(np.int8)
        yield Packing(values, thresholds), partial(bits_are, bits.pack(below))


def bits_are(expected: bits.Bits, got: Result) -> None:
    np.testing.assert_array_equal(got.bits, expected)


def opposites() -> Iterator[tuple[Convolution, Check]]:
    """Every sign is the opposite of its weight: only this fills a counter as far as it can be."""
    for op in SHAPES:
        x = np.ones((op.inputs, 1, op.height, op.width, op.channels), np.int8)
        w = np.full((op.bases, op.filters, op.kernel, op.kernel, op.channels), -1, np.int8)
        weights, signs = bits.pack(w), bits.pack(x)
        asked = Convolution(
            op=op, weights=weights, constants=Constants(), signs=signs, residual=None
        )
        yield asked, partial(all_are, -op.products)


def all_are(value: int, got: Result) -> None:
    assert got.dots is not None
    np.testing.assert_array_equal(got.dots, value)


def questions(case: Callable[..., Any]) -> Iterator[tuple[Convolution | Packing, Check]]:
    """What is asked, and the check of its answer."""
    yield from opposites()
    for i, op in enumerate(OPS):
        c = case(op, seed=i, batch=3 if i % 2 else 1)
        signs, weights = bits.pack(c.x), bits.pack(c.w)
        asked = Convolution(
            op=op,
            weights=weights,
            constants=c.constants,
            signs=signs,
            residual=c.residual,
            threads=2 if i % 3 == 2 else 1,
        )
        yield asked, c.check
    yield from packings()


def takes(choice: Choice, question: Convolution | Packing) -> bool:
    if str(choice) != "avx512 pairs-rows" or isinstance(question, Packing):
        return True
    return question.op.stride == 1 and 9 <= question.op.channels <= 16


def all_equal(driver: Driver, choices: list[Choice], case: Callable[..., Any]) -> None:
    asked = [(q, c, check) for q, check in questions(case) for c in choices if takes(c, q)]
    assert {choice for _, choice, _ in asked} == set(choices)
    other_cpus.all_hold(driver, asked)


def test_the_driver_gives_what_the_reference_gives(case: Callable[..., Any]) -> None:
    driver = other_cpus.on_this_cpu()
    here = [isa.name for isa in isas.available() if isa.name in ("avx2", "portable")]
    all_equal(driver, driver.choices(*here), case)


def test_the_driver_says_what_is_wrong(case: Callable[..., Any]) -> None:
    driver = other_cpus.on_this_cpu()
    (question, _), *_ = questions(case)
    answers: list[Answer] = driver.answer(
        [(question, Choice("avx9", "words")), (question, Choice("portable", "best"))]
    )
    assert "no instruction set is called 'avx9'" in str(answers[0])
    assert "portable has no variant 'best'" in str(answers[1])


def test_neon(case: Callable[..., Any]) -> None:
    driver = other_cpus.on_arm()
    assert driver.table()[0].isa == "neon"
    all_equal(driver, driver.choices("neon", "portable"), case)


def test_avx512(case: Callable[..., Any], tmp_path: Path) -> None:
    driver = other_cpus.on_avx512(tmp_path)
    all_equal(driver, other_cpus.on_this_cpu().choices("avx512"), case)
