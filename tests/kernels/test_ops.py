"""Ops are values: comparable, checked when made, and right about their shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kernels.ops import (
    RAW,
    Affine,
    BinaryConv,
    BinaryLinear,
    Blend,
    Curve,
    Epilogue,
    Mix,
    Pool,
    Pooling,
    RealConv,
    Residual,
)


def conv(**changes: Any) -> BinaryConv:
    return BinaryConv(**{"height": 8, "width": 8, "channels": 16, "filters": 4, **changes})


@pytest.mark.parametrize(
    ("changes", "out"),
    [
        ({"kernel": 3, "padding": 1}, (8, 8)),
        ({"kernel": 3, "padding": 1, "stride": 2}, (4, 4)),
        ({"kernel": 3, "padding": 1, "stride": 2, "height": 7}, (4, 4)),
        ({"kernel": 1, "stride": 2}, (4, 4)),
        ({"kernel": 3, "dilation": 2}, (4, 4)),
        ({"kernel": 7, "padding": 3}, (8, 8)),
        ({"kernel": 2}, (7, 7)),
    ],
)
def test_the_size_that_comes_out(changes: dict[str, int], out: tuple[int, int]) -> None:
    op = conv(**changes)
    assert (op.out_height, op.out_width) == out


def test_every_base_meets_every_input_unless_it_has_its_own() -> None:
    assert conv(bases=3).pairs == 3
    assert conv(inputs=2, bases=3).pairs == 6
    assert conv(inputs=3, bases=3, own=True).pairs == 3


def test_a_sum_is_one_set() -> None:
    op = conv(bases=3, after=Epilogue(floats=True, sum=True))
    assert (op.pairs, op.sets) == (3, 1)


def test_macs_of_the_first_stage_of_resnet18() -> None:
    op = BinaryConv(height=56, width=56, channels=64, filters=64, padding=1)
    assert op.macs == 56 * 56 * 64 * 64 * 9 == 115_605_504


def test_a_linear_map_counts_like_its_convolution() -> None:
    assert BinaryLinear(channels=100, filters=10, bases=3).macs == 3000


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"height": 0}, ValueError, "height is 1 to 65536; got 0"),
        ({"channels": 2.0}, TypeError, "channels is a whole number; got 2.0"),
        ({"channels": True}, TypeError, "channels is a whole number; got True"),
        ({"kernel": 8}, ValueError, "kernel is 1 to 7; got 8"),
        ({"kernel": 7, "dilation": 2}, ValueError, "reaches over 13x13 does not fit .* 8x8"),
        ({"own": True, "inputs": 2, "bases": 3}, ValueError, "an input per base; got 2 for 3"),
    ],
)
def test_an_op_that_cannot_be_is_refused(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        conv(**changes)


@pytest.mark.parametrize(
    "asked",
    [
        {"sum": True},
        {"inner": Curve.RELU},
        {"residual": Residual.ONE},
        {"outer": Curve.NONE},
    ],
)
def test_an_epilogue_that_writes_nothing_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ask floats or signs"):
        Epilogue(**asked)


def test_an_epilogue_has_at_most_64_signs() -> None:
    with pytest.raises(ValueError, match="signs is 0 to 64; got 65"):
        Epilogue(signs=65)


SIZE = {"height": 4, "width": 4, "channels": 8}


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Pool(**SIZE, kind=1, kernel=2, stride=2), TypeError, "kind is a Pooling"),
        (lambda: Mix(**SIZE, kind="median", inputs=2), ValueError, "kind is one of mean, lambda,"),
        (lambda: Mix(**SIZE, kind=Blend.MEAN, inputs=2, floats="no"), TypeError, "is a bool"),
        (lambda: Epilogue(floats=True, inner="elu"), ValueError, "inner is one of none, relu,"),
        (lambda: Epilogue(floats=True, residual=1), TypeError, "residual is a Residual"),
        (lambda: Epilogue(floats=True, outer=False), TypeError, "outer is a Curve"),
        (lambda: Epilogue(floats=1), TypeError, "floats is a bool"),
        (lambda: Epilogue(floats=True, sum=1), TypeError, "sum is a bool"),
        (lambda: Epilogue(signs=1.5), TypeError, "signs is a whole number"),
        (lambda: conv(own=0), TypeError, "own is a bool"),
        (lambda: conv(after=None), TypeError, "after is a"),
        (lambda: RealConv(**SIZE, filters=8, after=None), TypeError, "after is a"),
        (lambda: Affine(**SIZE, after="floats"), TypeError, "after is a"),
    ],
)
def test_what_only_looks_like_a_field_is_refused(
    make: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


def test_the_text_of_an_enum_becomes_what_it_stands_for() -> None:
    """It is equal to that: some code would take it for that, and some not."""
    pool: Any = Pool(**SIZE, kind="max", kernel=2, stride=2)  # type: ignore[arg-type]
    mix: Any = Mix(**SIZE, kind="mean", inputs=2)  # type: ignore[arg-type]
    words: dict[str, Any] = {"inner": "relu", "residual": "one", "outer": "prelu"}
    after = Epilogue(floats=True, **words)
    assert pool.kind is Pooling.MAX
    assert mix.kind is Blend.MEAN
    assert (after.inner, after.residual, after.outer) == ("relu", "one", "prelu")
    assert after.inner is Curve.RELU
    assert after.residual is Residual.ONE
    assert after.outer is Curve.PRELU


def test_the_plain_epilogue_is_raw() -> None:
    assert RAW.raw
    assert not Epilogue(signs=1).raw
