"""Float32 convolutions and linear maps of every instruction set this machine has.

Their sums are near those of the reference: a chain of n fused multiply-adds is off by at most n
half units in the last place of the sum of all |terms|. What an epilogue does to them has every bit.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import _core, bits, isas, real_reference, reference
from kernels.binary import Constants, Result
from kernels.epilogue import Curve, Epilogue, Residual
from kernels.ops import Linear, RealConv
from kernels.parameters import wanted
from kernels.real import Real

Floats = NDArray[np.float32]
ISAS = [isa.name for isa in isas.available()]
EVERY = pytest.mark.parametrize("isa", ISAS)


def conv(size: int, channels: int, filters: int, **more: Any) -> RealConv:
    return RealConv(height=size, width=size, channels=channels, filters=filters, **more)


# Pieces of 16 filters, blocks of 64, tiles of a few pixels, panels of 48, chunks of 256 weights:
# less than one, one, and one and a bit; windows that are all border; several bands of rows.
SHAPES = [
    conv(1, 1, 1, kernel=1),
    conv(5, 3, 16, padding=1),
    conv(6, 5, 17, padding=1),
    conv(7, 16, 24, stride=2, padding=1),
    conv(5, 17, 64, padding=2),
    conv(4, 24, 65, kernel=2),
    conv(9, 64, 5, kernel=1),
    conv(8, 64, 130, kernel=1, stride=2),
    conv(13, 3, 64, kernel=7, stride=2, padding=3),
    conv(9, 5, 3, dilation=2, padding=2),
    conv(11, 16, 16, kernel=5, dilation=3, stride=3, padding=7),
    conv(2, 3, 5, kernel=3, padding=9),
    conv(3, 300, 16, padding=1),
    conv(3, 700, 48, kernel=1),
    RealConv(height=130, width=50, channels=16, filters=16, padding=1),
    RealConv(height=150, width=40, channels=16, filters=3, kernel=1),
    RealConv(height=90, width=41, channels=16, filters=3, stride=2),
    RealConv(height=3, width=97, channels=1, filters=3, stride=4, padding=1),
    conv(5, 6, 9, groups=3, padding=1),
    conv(5, 64, 64, groups=4, padding=1, stride=2),
    conv(4, 640, 40, groups=2, padding=1),
    conv(4, 40, 100, groups=10, kernel=1),
    conv(5, 8, 16, groups=8, padding=1),
    conv(5, 2, 2, groups=2, padding=1),
    conv(7, 16, 16, groups=16, padding=1),
    conv(6, 24, 24, groups=24, kernel=5, padding=2, stride=2),
    conv(6, 64, 64, groups=64, kernel=3, dilation=2),
    conv(4, 83, 83, groups=83, kernel=2),
]

AFTER = {
    "signs": Epilogue(signs=1),
    "three signs": Epilogue(signs=3, floats=True),
    "relu": Epilogue(floats=True, inner=Curve.RELU),
    "two signs, residual each": Epilogue(signs=2, residual=Residual.EACH, inner=Curve.PRELU),
    "residual one": Epilogue(floats=True, signs=1, residual=Residual.ONE, outer=Curve.RELU),
    "rprelu": Epilogue(floats=True, outer=Curve.PRELU),
    "sum": Epilogue(floats=True, sum=True),
    "sum to signs": Epilogue(signs=2, sum=True, residual=Residual.ONE, outer=Curve.NONE),
    "all": Epilogue(
        floats=True,
        signs=2,
        sum=True,
        inner=Curve.PRELU,
        residual=Residual.EACH,
        outer=Curve.PRELU,
    ),
}


def some(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.standard_normal(shape).astype(np.float32)


def made(op: RealConv | Linear, seed: int = 0) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {name: some(rng, *want.shape) for name, want in wanted(op).items()}


def image(op: RealConv, batch: int, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return some(rng, op.inputs, batch, op.height, op.width, op.channels)


def bare(op: RealConv) -> RealConv:
    """The same sums, as they are."""
    names = ("height", "width", "channels", "filters", "kernel", "stride", "dilation", "padding")
    return RealConv(
        **{name: getattr(op, name) for name in names}, groups=op.groups, inputs=op.inputs
    )


def sums(op: RealConv, weights: Floats, x: Floats, isa: str, threads: int = 1) -> Floats:
    scale = np.ones((op.inputs, op.filters), np.float32)
    parameters = {"weights": weights, "scale": scale, "shift": 0 * scale}
    got = Real(bare(op), parameters, isa=isa, threads=threads).run(x).floats
    assert got is not None
    return got


def near(op: RealConv, got: Floats, x: Floats, weights: Floats) -> None:
    terms = op.kernel**2 * op.channels // op.groups
    size = real_reference.real_conv(op, np.abs(x), np.abs(weights))
    off = np.abs(got.astype(np.float64) - real_reference.real_conv(op, x, weights))
    assert (off <= (terms + 1) * 2.0**-24 * size).all(), f"{(off / (size + 1e-30)).max()} of {op}"


@EVERY
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("op", SHAPES, ids=str)
def test_sums_are_near_the_reference(isa: str, op: RealConv, batch: int) -> None:
    weights, x = made(op)["weights"], image(op, batch)
    near(op, sums(op, weights, x, isa), x, weights)


@pytest.mark.parametrize("op", SHAPES, ids=str)
def test_every_instruction_set_batch_and_number_of_threads_gives_the_same_bits(
    op: RealConv,
) -> None:
    weights, x = made(op)["weights"], image(op, 3)
    first = sums(op, weights, x, ISAS[0])
    for isa in ISAS:
        np.testing.assert_array_equal(sums(op, weights, x, isa, threads=2), first, err_msg=isa)
        alone = [sums(op, weights, x[:, n : n + 1], isa) for n in range(3)]
        np.testing.assert_array_equal(np.concatenate(alone, 1), first, err_msg=isa)


def check(op: RealConv, isa: str, batch: int = 2, threads: int = 1, seed: int = 0) -> None:
    """The sums are near, and all that follows has every bit."""
    parameters, x = made(op, seed), image(op, batch, seed + 1)
    rng = np.random.default_rng(seed + 2)
    maps = {Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: op.inputs}[op.after.residual]
    place = (batch, op.out_height, op.out_width, op.filters)
    residual = some(rng, maps, *place) if maps else None
    weights = parameters["weights"]
    d = sums(op, weights, x, isa)
    near(op, d, x, weights)
    rest = {name: array for name, array in parameters.items() if name != "weights"}
    constants = Constants(**rest)
    y = reference.epilogue(op, d, constants, residual)
    got = Real(op, parameters, isa=isa, threads=threads).run(x, residual)
    same(got, op.after, y, constants.thresholds)


def same(got: Result, after: Epilogue, y: Floats, thresholds: Floats | None) -> None:
    assert (got.floats is not None, got.bits is not None) == (after.floats, after.signs > 0)
    if got.floats is not None:
        np.testing.assert_array_equal(got.floats, y)
    if got.bits is not None:
        assert thresholds is not None
        below = y[:, None] < thresholds[:, :, None, None, None]
        np.testing.assert_array_equal(got.bits, bits.pack(np.where(below, -1, 1).astype(np.int8)))


@EVERY
@pytest.mark.parametrize("inputs", [1, 3])
@pytest.mark.parametrize("filters", [16, 37, 80])
@pytest.mark.parametrize("after", AFTER)
def test_epilogues_have_every_bit(isa: str, after: str, filters: int, inputs: int) -> None:
    check(conv(8, 6, filters, padding=1, inputs=inputs, after=AFTER[after]), isa)


@EVERY
@pytest.mark.parametrize("groups", [5, 40])
def test_epilogues_of_groups(isa: str, groups: int) -> None:
    op = conv(8, 40, 40, groups=groups, padding=1, inputs=2, after=AFTER["all"])
    check(op, isa, threads=2)


ops: st.SearchStrategy[dict[str, int]] = st.builds(
    dict,
    height=st.integers(1, 12),
    width=st.integers(1, 20),
    channels=st.integers(1, 40),
    filters=st.integers(1, 90),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 3),
    inputs=st.integers(1, 3),
)


@EVERY
@given(
    shape=ops, after=st.sampled_from(sorted(AFTER)), groups=st.booleans(), seed=st.integers(0, 99)
)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_any_convolution(
    isa: str, shape: dict[str, int], after: str, groups: bool, seed: int
) -> None:
    reach = shape["dilation"] * (shape["kernel"] - 1) + 1
    assume(min(shape["height"], shape["width"]) + 2 * shape["padding"] >= reach)
    if groups:
        shape = {**shape, "filters": shape["channels"], "groups": shape["channels"]}
    check(RealConv(**shape, after=AFTER[after]), isa, 1 + seed % 3, 1 + seed % 2, seed)


@EVERY
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 2, 70])
@pytest.mark.parametrize(("channels", "filters"), [(1, 1), (17, 3), (300, 100), (64, 129)])
def test_a_linear_map_adds_its_bias(
    isa: str, batch: int, channels: int, filters: int, threads: int
) -> None:
    op = Linear(channels=channels, filters=filters)
    parameters = made(op)
    x = some(np.random.default_rng(5), 1, batch, 1, 1, channels)
    got = Real(op, parameters, isa=isa, threads=threads).run(x).floats
    assert got is not None
    w, bias, flat = parameters["weights"], parameters["bias"], x.reshape(batch, channels)
    off = np.abs(got[0, :, 0, 0] - real_reference.linear(op, flat, w, bias).astype(np.float64))
    size = np.abs(flat) @ np.abs(w).T + np.abs(bias)
    assert (off <= (channels + 2) * 2.0**-24 * size).all()


def refused(parameters: dict[str, Any], match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        Real(conv(4, 3, 5), parameters, isa=ISAS[0])


def test_parameters_that_are_missing_or_not_used_or_of_another_form_are_refused() -> None:
    right = made(conv(4, 3, 5))
    refused({n: a for n, a in right.items() if n != "weights"}, "weights is missing")
    refused({n: a for n, a in right.items() if n != "shift"}, "shift is a NumPy array")
    refused({**right, "curve": right["scale"]}, "curve is not used")
    refused({**right, "bias": right["scale"]}, "no use for bias")
    refused({**right, "weights": right["weights"][:, :, :, :2]}, r"weights is .*\(5, 3, 3, 3\)")
    refused({**right, "weights": right["weights"].astype(np.float64)}, "float64")
    refused({**right, "weights": right["weights"] * np.float32(np.nan)}, "finite")
    refused({**right, "shift": right["shift"] + np.float32(np.inf)}, "finite")


def test_maps_of_another_form_are_refused() -> None:
    op = conv(4, 3, 5)
    kernel, x = Real(op, made(op), isa=ISAS[0]), image(op, 2)
    wrongs: list[tuple[Any, str]] = [
        (x[0], "sets, batch"),
        (x[:, :, :3], r"reads is .*\(1, 2, 4, 4, 3\)"),
        (x.astype(np.float64), "float64"),
        (x[..., ::-1], "strided"),
    ]
    for wrong, match in wrongs:
        with pytest.raises((TypeError, ValueError), match=match):
            kernel.run(wrong)
    with pytest.raises(ValueError, match="no use for a residual"):
        kernel.run(x, x)
    with pytest.raises(ValueError, match="at least one image"):
        kernel.run(x[:, :0])


@pytest.mark.parametrize(
    "changed",
    [
        {"height": 1 << 62},
        {"channels": 1 << 62},
        {"filters": 0},
        {"groups": 2},
        {"groups": 0},
        {"kernel": 8},
        {"stride": 0},
        {"padding": -1},
        {"inputs": 65},
        {"height": 1, "width": 1},
        {"height": 65536, "width": 65536, "dilation": 64, "inputs": 64, "channels": 3},
        {"height": "4"},
        {"height": True},
    ],
    ids=str,
)
def test_sizes_are_checked_before_anything_is_read(changed: dict[str, Any]) -> None:
    op = conv(4, 3, 5)
    fake = type("RealConv", (), {f.name: getattr(op, f.name) for f in fields(op)})()
    _core.make_real(fake, ISAS[0], made(op))
    for name, value in changed.items():
        setattr(fake, name, value)
    with pytest.raises((TypeError, ValueError)):
        _core.make_real(fake, ISAS[0], made(op))
