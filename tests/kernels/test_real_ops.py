"""The real-valued ops besides convolutions, on every instruction set this machine has.

What the reference rounds step by step has every bit; averages and bilinear maps are near it.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import _core, bits, isas, ops, real_reference, reference
from kernels.binary import Constants, Result
from kernels.epilogue import Curve, Epilogue, Residual
from kernels.ops import (
    Affine,
    Blend,
    GlobalPool,
    Mix,
    Pack,
    Pool,
    Pooling,
    Resize,
    Skip,
)
from kernels.parameters import wanted
from kernels.real import Real, empty

Floats = NDArray[np.float32]
ISAS = [isa.name for isa in isas.available()]
EVERY = pytest.mark.parametrize("isa", ISAS)
CHANNELS = pytest.mark.parametrize("channels", [1, 3, 4, 5, 16, 17, 24, 64, 100])


def some(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.standard_normal(shape).astype(np.float32)


def maps(op: Any, sets: int, batch: int, seed: int = 1) -> Floats:
    return some(np.random.default_rng(seed), sets, batch, op.height, op.width, op.channels)


def made(op: ops.Real, seed: int = 0) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {name: some(rng, *want.shape) for name, want in wanted(op).items()}


def results(
    op: ops.Real, parameters: dict[str, Floats], x: Floats, residual: Floats | None = None
) -> Result:
    """What every instruction set gives, alone and on two threads; their bits are one another's."""
    first: Result | None = None
    for isa, threads in product(ISAS, (1, 2)):
        got = Real(op, parameters, isa=isa, threads=threads).run(x, residual)
        if first is None:
            first = got
        for name in ("floats", "bits"):
            np.testing.assert_array_equal(getattr(got, name), getattr(first, name), err_msg=isa)
    assert first is not None
    return first


def floats(op: ops.Real, x: Floats, residual: Floats | None = None, **parameters: Floats) -> Floats:
    got = results(op, parameters, x, residual).floats
    assert got is not None
    return got


def signs(y: Floats, thresholds: Floats) -> NDArray[np.uint8]:
    below = y[:, None] < thresholds[:, :, None, None, None]
    return bits.pack(np.where(below, -1, 1).astype(np.int8))


WINDOWS = [(1, 1, 0), (2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2), (7, 7, 3)]


@CHANNELS
@pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS)
@pytest.mark.parametrize("kind", Pooling)
def test_pools(kind: Pooling, kernel: int, stride: int, padding: int, channels: int) -> None:
    op = Pool(
        kind=kind,
        height=9,
        width=12,
        channels=channels,
        kernel=kernel,
        stride=stride,
        padding=padding,
        sets=2,
    )
    x = maps(op, 2, 3)
    got, expected = floats(op, x), real_reference.pool(op, x)
    if kind is Pooling.MAX or kernel == 1:
        np.testing.assert_array_equal(got, expected)
    else:
        bound = (kernel**2 + 2) * 2.0**-24 * real_reference.pool(op, np.abs(x))
        assert (np.abs(got.astype(np.float64) - expected) <= bound).all()


@CHANNELS
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (3, 40)])
def test_global_pools(channels: int, size: tuple[int, int]) -> None:
    op = GlobalPool(height=size[0], width=size[1], channels=channels, sets=3)
    x = maps(op, 3, 2)
    off = np.abs(floats(op, x).astype(np.float64) - real_reference.global_pool(op, x))
    bound = (size[0] * size[1] + 2) * 2.0**-24 * real_reference.global_pool(op, np.abs(x))
    assert (off <= bound).all()


@CHANNELS
@pytest.mark.parametrize("filters", [1, 16, 40, 130])
@pytest.mark.parametrize("out", [(8, 6), (4, 3), (3, 4), (16, 12), (1, 1)])
@pytest.mark.parametrize("onto", [0, 1, 3])
def test_skips(channels: int, filters: int, out: tuple[int, int], onto: int) -> None:
    op = Skip(
        height=8,
        width=6,
        channels=channels,
        out_height=out[0],
        out_width=out[1],
        filters=filters,
        inputs=1 if onto else 2,
        onto=onto,
    )
    x = maps(op, op.inputs, 2)
    plain = Skip(
        height=8, width=6, channels=channels, out_height=out[0], out_width=out[1], filters=filters
    )
    sized = np.concatenate([floats(plain, x[i : i + 1]) for i in range(op.inputs)])
    off = np.abs(sized.astype(np.float64) - real_reference.skip(op, x))
    assert (off <= 50 * 2.0**-24 * real_reference.skip(op, np.abs(x))).all()
    if out in ((8, 6), (16, 12)):
        np.testing.assert_array_equal(sized, real_reference.skip(op, x), "copies are exact")
    if not onto:
        np.testing.assert_array_equal(floats(op, x), sized)
        return
    others = some(np.random.default_rng(2), onto, 2, *out, filters)
    np.testing.assert_array_equal(floats(op, x, others), others + sized, "one addition")


@CHANNELS
@pytest.mark.parametrize("out", [(5, 7), (10, 14), (3, 2), (1, 20)])
def test_resizes(channels: int, out: tuple[int, int]) -> None:
    op = Resize(height=5, width=7, channels=channels, out_height=out[0], out_width=out[1], sets=2)
    x = maps(op, 2, 2)
    got, expected = floats(op, x), real_reference.resize(op, x)
    if out == (5, 7):
        np.testing.assert_array_equal(got, x)
    bound = 8 * 2.0**-24 * real_reference.resize(op, np.abs(x))
    assert (np.abs(got.astype(np.float64) - expected) <= bound).all()


MIXES = [
    (Blend.MEAN, 1, 1),
    (Blend.MEAN, 3, 1),
    (Blend.MEAN, 4, 1),
    (Blend.LAMBDA, 1, 1),
    (Blend.LAMBDA, 5, 1),
    (Blend.GATE, 3, 3),
    (Blend.GATE, 3, 2),
    (Blend.GATE, 2, 5),
    (Blend.ROUTE, 3, 2),
    (Blend.ROUTE, 1, 4),
]


@CHANNELS
@pytest.mark.parametrize(("kind", "inputs", "outputs"), MIXES)
@pytest.mark.parametrize(("writes", "n"), [(True, 0), (False, 1), (True, 3)])
def test_mixes_have_every_bit(
    kind: Blend, inputs: int, outputs: int, channels: int, writes: bool, n: int
) -> None:
    op = Mix(
        kind=kind,
        height=11,
        width=9,
        channels=channels,
        inputs=inputs,
        outputs=outputs,
        floats=writes,
        signs=n,
    )
    x = maps(op, inputs, 2)
    parameters = made(op)
    for given in (parameters, {name: a for name, a in parameters.items() if name != "sums"}):
        if kind is Blend.LAMBDA and "sums" not in given:
            continue
        weights = {name: a for name, a in given.items() if name != "thresholds"}
        y = real_reference.mix(op, x, **weights)
        got = results(op, given, x)
        assert (got.floats is not None, got.bits is not None) == (writes, n > 0)
        if writes:
            np.testing.assert_array_equal(got.floats, y)
        if n:
            np.testing.assert_array_equal(got.bits, signs(y, given["thresholds"]))


AFFINES = [
    Epilogue(floats=True),
    Epilogue(signs=1),
    Epilogue(floats=True, signs=3, inner=Curve.RELU),
    Epilogue(signs=2, residual=Residual.EACH, inner=Curve.PRELU),
    Epilogue(floats=True, residual=Residual.ONE, outer=Curve.PRELU),
    Epilogue(floats=True, outer=Curve.NONE),
    Epilogue(floats=True, signs=1, sum=True, residual=Residual.EACH, outer=Curve.RELU),
    Epilogue(signs=1, sum=True, residual=Residual.ONE),
]


@CHANNELS
@pytest.mark.parametrize("sets", [1, 4])
@pytest.mark.parametrize("after", AFFINES, ids=str)
def test_epilogues_alone_have_every_bit(after: Epilogue, sets: int, channels: int) -> None:
    op = Affine(height=7, width=13, channels=channels, sets=sets, after=after)
    x, parameters = maps(op, sets, 2), made(op)
    n = {Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: sets}[after.residual]
    residual = some(np.random.default_rng(2), n, *x.shape[1:]) if n else None
    got = results(op, parameters, x, residual)
    y = reference.epilogue(op, x, Constants(**parameters), residual)
    assert (got.floats is not None, got.bits is not None) == (after.floats, after.signs > 0)
    if after.floats:
        np.testing.assert_array_equal(got.floats, y)
    if after.signs:
        np.testing.assert_array_equal(got.bits, signs(y, parameters["thresholds"]))


@CHANNELS
@pytest.mark.parametrize("n", [1, 3])
def test_packing_has_thresholds_of_its_own_for_each_set(channels: int, n: int) -> None:
    op = Pack(height=5, width=30, channels=channels, sets=3, signs=n)
    x, parameters = maps(op, 3, 2), made(op)
    x[..., 0] = parameters["thresholds"][:, 0, 0].reshape(3, 1, 1, 1)  # ties: not below
    got = results(op, parameters, x).bits
    np.testing.assert_array_equal(got, signs(x, parameters["thresholds"]))


def test_a_map_of_many_channels_is_cut_into_panels() -> None:
    op = Affine(height=3, width=3, channels=5000, after=Epilogue(floats=True, signs=1))
    x, parameters = maps(op, 1, 1), made(op)
    y = reference.epilogue(op, x, Constants(**parameters))
    got = results(op, parameters, x)
    np.testing.assert_array_equal(got.floats, y)
    np.testing.assert_array_equal(got.bits, signs(y, parameters["thresholds"]))


@EVERY
def test_a_clock_runs_the_op_each_time(isa: str) -> None:
    op = GlobalPool(height=4, width=4, channels=8)
    x = maps(op, 1, 1)
    kernel = Real(op, {}, isa=isa)
    out = empty(op, 1)
    assert out.floats is not None
    out.floats[:] = np.nan
    took = kernel.clock(x, out=out, rounds=5)
    assert len(took) == 5
    assert min(took) > 0
    np.testing.assert_array_equal(out.floats, kernel.run(x).floats)


def test_results_are_written_where_one_wishes() -> None:
    op = Pack(height=2, width=2, channels=8, signs=2)
    x, parameters = maps(op, 1, 1), made(op)
    kernel = Real(op, parameters, isa=ISAS[0])
    out = empty(op, 1)
    assert kernel.run(x, out=out) is out
    np.testing.assert_array_equal(out.bits, signs(x, parameters["thresholds"]))
    wide = np.empty((*out.bits.shape[:-1], 2), np.uint8)[..., ::2]  # type: ignore[union-attr]
    with pytest.raises((TypeError, ValueError), match="bits"):
        kernel.run(x, out=Result(bits=wide))


REFUSED: list[tuple[ops.Real, dict[str, Any], str]] = [
    (Mix(kind=Blend.LAMBDA, height=1, width=1, channels=3, inputs=2), {}, "sums is missing"),
    (
        Mix(kind=Blend.MEAN, height=1, width=1, channels=3, inputs=2),
        {"sums": np.ones(2, np.float32)},
        "no use for sums",
    ),
    (
        Mix(kind=Blend.GATE, height=1, width=1, channels=3, inputs=2, outputs=3),
        {"blend": np.ones(3, np.float32)},
        r"blend is .*\(2,\)",
    ),
    (
        Mix(kind=Blend.GATE, height=1, width=1, channels=3, inputs=2, outputs=2),
        {"blend": np.full(2, np.inf, np.float32)},
        "finite",
    ),
    (
        Mix(kind=Blend.MEAN, height=1, width=1, channels=3, inputs=2, signs=2),
        {"thresholds": np.ones((2, 2, 3), np.float32)},
        r"thresholds is .*\(1, 2, 3\)",
    ),
    (GlobalPool(height=1, width=1, channels=1), {"scale": np.ones(1, np.float32)}, "no use"),
    (Pack(height=1, width=1, channels=1), {}, "thresholds is missing"),
    (Affine(height=1, width=1, channels=1), {}, "scale is a NumPy array"),
]


@pytest.mark.parametrize(("op", "parameters", "match"), REFUSED, ids=str)
def test_parameters_of_another_form_are_refused(
    op: ops.Real, parameters: dict[str, Any], match: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        Real(op, parameters, isa=ISAS[0])


def test_a_skip_onto_others_wants_them() -> None:
    op = Skip(height=2, width=2, channels=1, out_height=1, out_width=1, filters=1, onto=2)
    with pytest.raises(TypeError, match="residual"):
        Real(op, {}, isa=ISAS[0]).run(maps(op, 1, 1))


def test_what_is_no_real_op_is_refused() -> None:
    with pytest.raises(TypeError, match=r"kernels.real_ops is wanted; got a str"):
        _core.make_real("Pool", ISAS[0], {})
    with pytest.raises(ValueError, match="no instruction set is called"):
        Real(GlobalPool(height=1, width=1, channels=1), {}, isa="none")


SKIP = Skip(height=2, width=2, channels=3, out_height=1, out_width=1, filters=4)
POOL = Pool(kind=Pooling.MAX, height=4, width=4, channels=3, kernel=2, stride=2)
MIX = Mix(kind=Blend.MEAN, height=2, width=2, channels=3, inputs=2)
PACK = Pack(height=2, width=2, channels=3)
HOSTILE: list[tuple[ops.Real, dict[str, Any]]] = [
    (SKIP, {"inputs": 2, "onto": 1}),
    (SKIP, {"onto": 65}),
    (SKIP, {"filters": 0}),
    (SKIP, {"out_height": 1 << 40}),
    (POOL, {"kernel": 0}),
    (POOL, {"stride": 0}),
    (POOL, {"padding": 2}),
    (POOL, {"kernel": 64}),
    (POOL, {"kind": "median"}),
    (POOL, {"sets": 4097}),
    (POOL, {"channels": -1}),
    (MIX, {"outputs": 2}),
    (MIX, {"inputs": 65}),
    (MIX, {"floats": False}),
    (MIX, {"signs": 65}),
    (MIX, {"kind": "sum"}),
    (PACK, {"signs": 0}),
    (Resize(height=2, width=2, channels=3, out_height=1, out_width=1), {"out_width": 0}),
    (Affine(height=2, width=2, channels=3), {"after": Epilogue()}),
]


@pytest.mark.parametrize(("op", "changed"), HOSTILE, ids=str)
def test_what_passes_for_an_op_is_checked_again(op: ops.Real, changed: dict[str, Any]) -> None:
    fake = type(type(op).__name__, (), {f.name: getattr(op, f.name) for f in fields(op)})()
    _core.make_real(fake, ISAS[0], made(op))
    for name, value in changed.items():
        setattr(fake, name, value)
    with pytest.raises((TypeError, ValueError)):
        _core.make_real(fake, ISAS[0], made(op))
