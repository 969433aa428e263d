"""The real ops' machine code for CPUs that this one is not, bit for bit what this one's gives.

That this one's is right, test_real_conv.py and test_real_ops.py prove. Here the bits of floats are
compared, so that 0 is not -0. Each op is asked of numbers of ordinary size, zeros of both signs and
denormal ones strewn among them, and of numbers so small that nearly every sum is denormal.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import other_cpus
from driver_questions import Computation
from numpy.typing import NDArray
from other_cpus import Driver, all_hold, same_bits

from kernels import isas, ops
from kernels.binary import Result
from kernels.epilogue import Curve, Epilogue, Residual
from kernels.flow import flow
from kernels.isas import Choice
from kernels.ops import (
    Affine,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
)
from kernels.parameters import wanted
from kernels.real import Real

Floats = NDArray[np.float32]


def conv(size: int, channels: int, filters: int, **more: Any) -> RealConv:
    return RealConv(height=size, width=size, channels=channels, filters=filters, **more)


def pool(kind: Pooling, channels: int, kernel: int, stride: int, padding: int) -> Pool:
    shape = {"height": 9, "width": 7, "channels": channels, "sets": 2}
    return Pool(kind=kind, **shape, kernel=kernel, stride=stride, padding=padding)


def skip(channels: int, out_height: int, out_width: int, filters: int, **more: int) -> Skip:
    out = {"out_height": out_height, "out_width": out_width, "filters": filters}
    return Skip(height=8, width=6, channels=channels, **out, **more)


def resize(channels: int, out_height: int, out_width: int) -> Resize:
    out = {"out_height": out_height, "out_width": out_width}
    return Resize(height=5, width=7, channels=channels, **out, sets=2)


def mix(kind: Blend, channels: int, inputs: int, outputs: int = 1, **more: Any) -> Mix:
    shape: dict[str, Any] = {"height": 7, "width": 5, "channels": channels}
    return Mix(kind=kind, **shape, inputs=inputs, outputs=outputs, **more)


# Each is asked for one image and for two. Pieces of 16 filters that are full or not, blocks of 64,
# one and several of each; tiles of every number of pixels; a single pixel; short fields, long ones,
# several bands; all kinds of groups.
CONVOLUTIONS: list[ops.Real] = [
    conv(1, 1, 1, kernel=1),
    conv(1, 70, 130, kernel=1),
    conv(2, 3, 5, padding=9),
    conv(5, 3, 16, padding=1),
    conv(5, 17, 65, padding=2),
    conv(4, 24, 130, kernel=2),
    conv(7, 16, 24, stride=2, padding=1),
    conv(8, 64, 80, kernel=1, stride=2),
    conv(9, 5, 3, dilation=2, padding=2),
    conv(11, 3, 64, kernel=7, stride=2, padding=3),
    conv(3, 300, 16, padding=1),
    RealConv(height=90, width=41, channels=16, filters=3, stride=2),
    conv(5, 6, 9, groups=3, padding=1),
    conv(4, 40, 100, groups=10, kernel=1),
    conv(5, 2, 2, groups=2, padding=1),
    conv(7, 16, 16, groups=16, padding=1),
    conv(6, 24, 24, groups=24, kernel=5, padding=2, stride=2),
    conv(6, 67, 67, groups=67, dilation=2),
    Linear(channels=17, filters=3),
    Linear(channels=300, filters=100),
]

AFTER = [
    Epilogue(signs=1),
    Epilogue(floats=True, signs=3),
    Epilogue(floats=True, inner=Curve.RELU),
    Epilogue(signs=2, residual=Residual.EACH, inner=Curve.PRELU),
    Epilogue(floats=True, signs=1, residual=Residual.ONE, outer=Curve.RELU),
    Epilogue(floats=True, inner=Curve.PRELU),
    Epilogue(floats=True, outer=Curve.PRELU),
    Epilogue(floats=True, sum=True),
    Epilogue(signs=2, sum=True, residual=Residual.ONE, outer=Curve.NONE),
    Epilogue(
        floats=True,
        signs=2,
        sum=True,
        inner=Curve.PRELU,
        residual=Residual.EACH,
        outer=Curve.PRELU,
    ),
]

# Fewer channels than a vector has, as many, a few more; four vectors and more.
MAPS: list[ops.Real] = [
    pool(Pooling.MAX, 3, 2, 2, 0),
    pool(Pooling.MAX, 5, 3, 2, 1),
    pool(Pooling.MAX, 70, 3, 1, 1),
    pool(Pooling.AVERAGE, 3, 3, 2, 1),
    pool(Pooling.AVERAGE, 17, 5, 3, 2),
    pool(Pooling.AVERAGE, 64, 2, 2, 0),
    GlobalPool(height=7, width=7, channels=24, sets=3),
    GlobalPool(height=3, width=40, channels=1),
    skip(4, 4, 3, 4, inputs=2),
    skip(3, 3, 4, 16),
    skip(17, 16, 12, 40, onto=1),
    skip(24, 4, 3, 7, onto=3),
    skip(33, 8, 6, 70, onto=2),
    resize(3, 10, 14),
    resize(17, 3, 2),
    resize(70, 1, 9),
    mix(Blend.MEAN, 5, 3),
    mix(Blend.MEAN, 16, 4, signs=3),
    mix(Blend.LAMBDA, 1, 1),
    mix(Blend.LAMBDA, 33, 5, floats=False, signs=1),
    mix(Blend.GATE, 3, 3, 2),
    mix(Blend.GATE, 64, 2, 5, signs=2),
    mix(Blend.ROUTE, 17, 3, 2, floats=False, signs=1),
    mix(Blend.ROUTE, 24, 1, 4),
    Pack(height=5, width=30, channels=3, signs=3),
    Pack(height=5, width=6, channels=33, sets=2),
    Pack(height=5, width=6, channels=130, sets=2, signs=2),
    Affine(height=2, width=2, channels=1100, after=Epilogue(floats=True, signs=1)),
]

OPS: list[ops.Real] = [
    *CONVOLUTIONS,
    *MAPS,
    *(conv(6, 6, 37, padding=1, inputs=1 + i % 3, after=after) for i, after in enumerate(AFTER)),
    *(conv(4, 40, 40, padding=1, groups=(5, 40)[i % 2], after=a) for i, a in enumerate(AFTER)),
    *(Affine(height=3, width=13, channels=16, sets=4, after=after) for after in AFTER),
    *(Affine(height=7, width=3, channels=5, after=after) for after in AFTER),
]

SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
ODD = np.array([0.0, -0.0, SMALLEST, -SMALLEST, 1e-39, -1e-39], np.float32)
TINY = np.float32(2**-130)
ADDED = ("shift", "bias", "before", "after", "thresholds")  # where an input is tiny, so are they


def some(rng: np.random.Generator, *shape: int) -> Floats:
    values = rng.standard_normal(shape).astype(np.float32)
    return np.where(rng.random(shape) < 1 / 8, rng.choice(ODD, shape), values)


def computation(op: ops.Real, seed: int, *, tiny: bool) -> Computation:
    rng = np.random.default_rng(seed)
    batch, by = 1 + (seed + tiny) % 2, TINY if tiny else np.float32(1)
    sets = getattr(op, "inputs", getattr(op, "sets", 1))
    place = (getattr(op, "height", 1), getattr(op, "width", 1), op.channels)
    x = some(rng, sets, batch, *place) * by
    if isinstance(op, Pack) or (isinstance(op, Pool) and op.kind is Pooling.MAX):
        x.flat[::11] = np.nan  # of what is computed with one, its sign and more is the CPU's choice
    added = flow(op).residual
    return Computation(
        op=op,
        parameters={
            name: some(rng, *want.shape) * (by if name in ADDED else 1)
            for name, want in wanted(op).items()
        },
        x=x,
        residual=None
        if added is None
        else some(rng, added.sets, batch, added.height, added.width, added.channels) * by,
        threads=2 if seed % 3 == 2 else 1,
    )


def computations() -> Iterator[Computation]:
    for seed, op in enumerate(OPS):
        for tiny in (False, True):
            yield computation(op, seed, tiny=tiny)


def given_here(c: Computation) -> Result:
    return Real(c.op, c.parameters, isa=isas.choose().name).run(c.x, c.residual)


def all_equal(driver: Driver, *names: str) -> None:
    checked = [(c, partial(same_bits, c.op, given_here(c))) for c in computations()]
    all_hold(driver, [(c, Choice(name, ""), check) for c, check in checked for name in names])


def test_the_driver_gives_what_the_core_gives() -> None:
    here = [isa.name for isa in isas.available() if isa.name in ("avx2", "portable")]
    all_equal(other_cpus.on_this_cpu(), *here)


def test_the_driver_refuses_maps_of_another_size() -> None:
    op = GlobalPool(height=2, width=2, channels=3)
    asked = Computation(op=op, parameters={}, x=np.zeros((1, 1, 2, 3, 3), np.float32))
    (answer,) = other_cpus.on_this_cpu().answer([(asked, Choice("portable", ""))])
    assert answer == "input is of another size"


def test_small_numbers_make_denormal_sums_and_zeros_below_nothing() -> None:
    answers = [given_here(c).floats for c in computations()]
    floats = np.concatenate([f.ravel() for f in answers if f is not None])
    assert (np.abs(floats[floats != 0]) < np.finfo(np.float32).tiny).mean() > 1 / 4
    assert np.signbit(floats[floats == 0]).any()


def test_neon() -> None:
    all_equal(other_cpus.on_arm(), "neon", "portable")


def test_avx512(tmp_path: Path) -> None:
    all_equal(other_cpus.on_avx512(tmp_path), "avx512")
