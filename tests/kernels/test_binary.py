"""Every kernel of every instruction set this machine has, against the reference, bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kernels import bits, isas, reference
from kernels.benches.check import check
from kernels.binary import Constants, Kernel, empty
from kernels.isas import Choice
from kernels.ops import BinaryConv, BinaryLinear, Curve, Epilogue, Residual

CHOICES = [Choice(isa.name, name) for isa in isas.available() for name, _ in isa.variants]
EVERY = pytest.mark.parametrize("choice", CHOICES, ids=str)


def conv(size: int, channels: int, filters: int, **more: Any) -> BinaryConv:
    return BinaryConv(height=size, width=size, channels=channels, filters=filters, **more)


# The edges: bytes that are full, over-full by one and under-full by one; words of 32 and 64 that
# are; filters that fill no block, one, and one and a bit; an image of one pixel; an image smaller
# than the filter; a width that fills no tile; strides that do not divide the image; more pixels
# than a panel holds, and more channels than a byte-wide tally does.
SHAPES = [
    conv(1, 1, 1, kernel=1),
    conv(5, 7, 3),
    conv(5, 8, 16),
    conv(5, 9, 17),
    conv(6, 16, 33, kernel=1),
    conv(8, 12, 40, kernel=5, dilation=2, padding=4),
    conv(4, 16, 16, padding=1),
    conv(9, 16, 16, padding=1),
    conv(6, 24, 24, padding=1),
    conv(5, 31, 33),
    conv(5, 32, 32, padding=1),
    conv(5, 33, 31),
    conv(5, 63, 65),
    conv(5, 64, 64, padding=1),
    conv(5, 65, 63),
    conv(7, 128, 48, padding=1),
    conv(6, 65, 5, stride=2),
    conv(7, 64, 40, stride=2, padding=1),
    conv(8, 32, 64, kernel=1, stride=2),
    conv(2, 128, 4, kernel=5, padding=2),
    conv(7, 40, 80, kernel=7, padding=3),
    conv(6, 96, 96, kernel=2),
    conv(9, 48, 16, dilation=2, padding=2),
    conv(11, 32, 16, kernel=5, dilation=2, stride=3, padding=1),
    conv(3, 577, 20, kernel=1),
    conv(4, 512, 64, padding=1),
    BinaryConv(height=3, width=70, channels=16, filters=16, padding=1),
    BinaryConv(height=70, width=1, channels=24, filters=70, kernel=1),
    BinaryConv(height=70, width=3, channels=16, filters=16, padding=1),
    conv(5, 40, 10, bases=3, padding=1),
    conv(5, 64, 64, inputs=3, bases=3, own=True, padding=1),
    conv(5, 24, 24, inputs=2, bases=3, padding=1),
    conv(6, 16, 20, inputs=2, bases=3, padding=1),
]

AFTER = {
    "signs": Epilogue(signs=1),
    "three signs": Epilogue(signs=3),
    "signs, relu": Epilogue(signs=1, inner=Curve.RELU),
    "signs, slopes of both signs": Epilogue(signs=1, inner=Curve.PRELU),
    "signs, outer": Epilogue(signs=2, outer=Curve.RELU),
    "floats": Epilogue(floats=True),
    "floats and signs": Epilogue(floats=True, signs=1),
    "floats and signs, slopes": Epilogue(floats=True, signs=1, inner=Curve.PRELU),
    "floats and signs, residual": Epilogue(floats=True, signs=1, residual=Residual.ONE),
    "floats and signs, relu, residual": Epilogue(
        floats=True, signs=1, inner=Curve.RELU, residual=Residual.ONE
    ),
    "two signs, residual each": Epilogue(signs=2, residual=Residual.EACH, inner=Curve.RELU),
    "rprelu": Epilogue(floats=True, signs=1, outer=Curve.PRELU),
    "shifts alone": Epilogue(floats=True, outer=Curve.NONE),
    "sum": Epilogue(floats=True, sum=True),
    "sum to signs": Epilogue(signs=1, sum=True),
    "all": Epilogue(
        floats=True,
        signs=2,
        sum=True,
        inner=Curve.PRELU,
        residual=Residual.EACH,
        outer=Curve.PRELU,
    ),
    "sum, one residual": Epilogue(floats=True, signs=1, sum=True, residual=Residual.ONE),
}

EACH = Epilogue(floats=True, signs=1, sum=True, inner=Curve.RELU, residual=Residual.EACH)

BASES = {
    "one": {},
    "shared": {"bases": 3},
    "own": {"inputs": 3, "bases": 3, "own": True},
    "crossed": {"inputs": 2, "bases": 3},
}


def channels_of(choice: Choice, channels: int) -> int:
    """So many, or 16 for a kernel that takes no others."""
    return 16 if isas.misfit(conv(8, channels, 16), choice) else channels


def run(case: Any, choice: Choice, threads: int = 1) -> None:
    """Runs a case and checks what came out, or checks that a misfit is refused."""
    packed = bits.pack(case.w)
    if why := isas.misfit(case.op, choice):
        with pytest.raises(ValueError, match=why):
            Kernel(case.op, packed, case.constants, choice=choice)
        return
    kernel = Kernel(case.op, packed, case.constants, choice=choice, threads=threads)
    case.check(kernel.run(bits.pack(case.x), case.residual))


@EVERY
@pytest.mark.parametrize("op", SHAPES, ids=str)
def test_dot_products(case: Callable[..., Any], choice: Choice, op: BinaryConv) -> None:
    run(case(op, batch=2), choice)


@EVERY
@pytest.mark.parametrize("bases", BASES, ids=str)
@pytest.mark.parametrize("filters", [5, 16, 37, 64, 80])
@pytest.mark.parametrize("residual", [Residual.ONE, Residual.EACH])
def test_floats_may_be_written_where_the_residual_is(
    case: Callable[..., Any], choice: Choice, residual: Residual, bases: str, filters: int
) -> None:
    """As programs do: nothing of it is read after something was written there."""
    each = residual is Residual.EACH
    after = Epilogue(floats=True, signs=2, sum=not each, residual=residual, outer=Curve.PRELU)
    op = conv(13, channels_of(choice, 64), filters, padding=1, after=after, **BASES[bases])
    made = case(op, batch=2)
    kernel = Kernel(made.op, bits.pack(made.w), made.constants, choice=choice, threads=2)
    out = dataclasses.replace(empty(made.op, 2), floats=made.residual)
    made.check(kernel.run(bits.pack(made.x), made.residual, out=out))


@EVERY
@pytest.mark.parametrize("bases", BASES, ids=str)
@pytest.mark.parametrize("after", AFTER, ids=str)
@pytest.mark.parametrize("filters", [16, 37, 64])
def test_epilogues(
    case: Callable[..., Any], choice: Choice, after: str, bases: str, filters: int
) -> None:
    more = {"padding": 1, "after": AFTER[after], **BASES[bases]}
    channels = channels_of(choice, 24)
    run(case(BinaryConv(height=5, width=6, channels=channels, filters=filters, **more)), choice)


@EVERY
def test_words_that_fill_a_tally(case: Callable[..., Any], choice: Choice) -> None:
    """All signs differ, over more words than a tally of bytes holds: the largest counts."""
    op = conv(3, channels_of(choice, 1024), 16, padding=1)
    made = case(op)
    x, w = np.full_like(made.x, -1), np.ones_like(made.w)
    expected = reference.dots(op, x, w)
    assert expected.min() == -9 * op.channels
    got = Kernel(op, bits.pack(w), choice=choice).run(bits.pack(x))
    np.testing.assert_array_equal(got.dots, expected)


@EVERY
@pytest.mark.parametrize("batch", [1, 5, 70])
def test_a_linear_map(choice: Choice, batch: int) -> None:
    rng = np.random.default_rng(0)
    channels = channels_of(choice, 96)
    x = rng.choice(np.array([-1, 1], np.int8), (2, batch, channels))
    w = rng.choice(np.array([-1, 1], np.int8), (3, 21, channels))
    op = BinaryLinear(channels=channels, filters=21, inputs=2, bases=3)
    got = Kernel(op, bits.pack(w), choice=choice).run(bits.pack(x)).dots
    assert got is not None
    expected = np.einsum("ibc,kfc->ikbf", x.astype(np.int32), w.astype(np.int32))
    np.testing.assert_array_equal(got[:, :, 0, 0], expected.reshape(6, batch, 21))


@EVERY
@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(case: Callable[..., Any], choice: Choice, threads: int) -> None:
    after = Epilogue(floats=True, signs=1, sum=True, residual=Residual.ONE)
    op = conv(17, channels_of(choice, 64), 80, padding=1, bases=2, after=after)
    run(case(op, batch=3), choice, threads)


@EVERY
def test_panels_of_a_narrow_map_meet_without_a_seam(
    case: Callable[..., Any], choice: Choice
) -> None:
    """16 filters, and so many pixels that their panels, the largest, are several."""
    after = Epilogue(floats=True, signs=2, sum=True, residual=Residual.ONE)
    run(case(conv(21, 16, 16, padding=1, inputs=2, after=after)), choice)


# More pixels than are multiplied at once, so that some are finished while others are multiplied:
# in rows that end within a tile, at its end, and in two panels of sums; with floats that lie a
# quarter, half and a whole kilobyte apart; channels that fill no tile.
LARGE = {
    "rows go on": conv(13, 64, 64, padding=1),
    "rows end": conv(16, 40, 128, padding=1, bases=2),
    "own": conv(13, 24, 64, padding=1, inputs=2, bases=2, own=True),
    "wide": conv(11, 64, 192, padding=1, inputs=2),
    "wider": conv(12, 64, 256, padding=1, kernel=1),
    "narrow": conv(19, 64, 16, padding=1, stride=2, bases=2),
    "two panels": conv(47, 64, 32, padding=1, bases=2),
    "some in a line": conv(13, 64, 56, padding=1),
}


@EVERY
@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_tiles_are_finished_while_others_are_multiplied(choice: Choice, shape: str) -> None:
    op = LARGE[shape]
    if isas.misfit(op, choice):
        op = dataclasses.replace(op, channels=16, stride=1)
    endings = [*AFTER.values(), EACH] if choice.isa == "amx" else [AFTER["sum, one residual"]]
    check(op, 1, [choice], endings)


@EVERY
def test_signs_agree_with_floats_at_ties(choice: Choice) -> None:
    """Thresholds that many values equal exactly: limits on counts must round as floats do."""
    rng = np.random.default_rng(1)
    channels = channels_of(choice, 32)
    op = conv(8, channels, 64, padding=1, after=Epilogue(floats=True, signs=1))
    alone = conv(8, channels, 64, padding=1, after=Epilogue(signs=1))
    w = rng.integers(0, 256, (1, 64, 3, 3, channels // 8), np.uint8)
    x = rng.integers(0, 256, (1, 1, 8, 8, channels // 8), np.uint8)
    f = np.float32
    scale = rng.choice(np.array([0.1, -0.1, 1 / 3, 0.0], f), (1, 64))
    shift = rng.choice(np.array([0.3, -0.7, 0.0], f), (1, 64))
    dots = 2 * rng.integers(-9, 9, (1, 1, 64)).astype(f)
    thresholds = dots * scale[:, None] + shift[:, None]  # what some dot product gives, to the bit
    constants = Constants(scale=scale, shift=shift, thresholds=thresholds)
    both = Kernel(op, w, constants, choice=choice).run(x)
    one = Kernel(alone, w, constants, choice=choice).run(x)
    assert both.floats is not None
    assert (both.floats == thresholds[0, 0]).any(), "no ties: this would prove nothing"
    np.testing.assert_array_equal(one.bits, both.bits)


ops = st.builds(
    dict,
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    channels=st.integers(1, 140),
    filters=st.integers(1, 90),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 2),
)
afters = st.sampled_from(sorted(AFTER))


@EVERY
@given(shape=ops, after=afters, bases=st.sampled_from(sorted(BASES)), seed=st.integers(0, 999))
@settings(
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)
def test_any_op(
    case: Callable[..., Any],
    choice: Choice,
    shape: dict[str, int],
    after: str,
    bases: str,
    seed: int,
) -> None:
    reach = shape["dilation"] * (shape["kernel"] - 1) + 1
    assume(min(shape["height"], shape["width"]) + 2 * shape["padding"] >= reach)
    op = BinaryConv(**shape, **BASES[bases], after=AFTER[after])  # type: ignore[arg-type]
    if isas.misfit(op, choice):
        op = dataclasses.replace(op, channels=9 + op.channels % 8, stride=1)
    run(case(op, seed=seed, batch=1 + seed % 3), choice)
