"""What every device is asked, and what must come out: the tables of the CPU's tests, and more.

Of each list a kernel of every product is asked, tiles taken in turn, so that each occurs often.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import test_binary
import test_real_conv
import test_stem
from cuda_ops import Question

from kernels import sample
from kernels.benches import check
from kernels.binary import Result
from kernels.cuda.conv import Conv, candidates, is_conv
from kernels.cuda.tiles import Product, Tile
from kernels.engine import EPILOGUE, depths
from kernels.epilogue import Curve, Epilogue, Residual
from kernels.flow import flow
from kernels.isas import choose
from kernels.ops import (
    Affine,
    BinaryConv,
    BinaryLinear,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    Pooling,
    Resize,
    Skip,
    Stem,
)
from kernels.parameters import Array
from kernels.real import Real

Asked = tuple[Question, Result]  # and what must come out

SIGNS = (Product.POPC, Product.BITS, Product.BYTES)
CAPABILITY = {Product.POPC: 75, Product.BITS: 90, Product.BYTES: 100}

SHAPES = [
    *test_binary.SHAPES,
    # Fields of several chunks, the last not full; pixels of 4, 8 and 16 bytes, and between.
    BinaryConv(height=4, width=5, channels=672, filters=24, padding=1),
    BinaryConv(height=4, width=4, channels=1024, filters=40, padding=1, stride=2),
    BinaryConv(height=3, width=3, channels=2048, filters=8, kernel=1),
    BinaryConv(height=6, width=6, channels=160, filters=72, padding=1),
    BinaryConv(height=33, width=3, channels=32, filters=136, padding=1),
]


def tiles_of(op: Conv, product: Product) -> list[Tile]:
    among = candidates(op, CAPABILITY.get(product, 90))
    return [tile for tile in among if tile.product is product]


def binary(products: Sequence[Product] = SIGNS) -> Iterator[Asked]:
    """Dot products of every shape; every ending with every kind of pairs; every tile."""
    for n, op in enumerate(SHAPES):
        asked = _asked(_case(op, 2))
        for product in products:
            if product is Product.BYTES and n % 3:
                continue  # it is `bits` but for one function
            tiles = tiles_of(op, product)
            yield _by(asked, tiles[n % len(tiles)])
    turns = cycle((product, filters) for filters in (16, 37, 64) for product in products)
    for after in test_binary.AFTER.values():
        for bases in test_binary.BASES.values():
            more: Any = {"padding": 1, "after": after, **bases}
            product, filters = next(turns)
            case = _case(test_binary.conv(5, 24, filters, **more), 1)
            yield _by(_asked(case), tiles_of(case.op, product)[-1])
    both = Epilogue(floats=True, signs=2, sum=True, residual=Residual.ONE)
    op = test_binary.conv(9, 72, 72, padding=1, bases=2, after=both)
    asked = _asked(_case(op, 3))
    for product in products:
        for tile in tiles_of(op, product):
            yield _by(asked, tile)


def extremes(product: Product) -> Iterator[Asked]:
    """All signs differ, or none; and a linear map."""
    op = test_binary.conv(3, 1024, 16, padding=1)
    for set_bits in (0, 255):
        case = dataclasses.replace(_case(op, 1), weights=np.zeros((1, 16, 3, 3, 128), np.uint8))
        case = dataclasses.replace(case, signs=np.full_like(case.signs, set_bits))
        yield _by(_asked(case), tiles_of(op, product)[0])
    plain = BinaryLinear(channels=96, filters=21, inputs=2, bases=3)
    case = _case(plain.as_conv(), 70)
    yield _by(_asked(case), tiles_of(plain, product)[0])


def _case(op: BinaryConv, batch: int) -> sample.Case:
    return sample.case(op, batch, np.random.default_rng(0))


def _by(asked: Asked, tile: Tile) -> Asked:
    return asked[0]._replace(tile=tile), asked[1]


def _asked(case: sample.Case) -> Asked:
    named = {name: getattr(case.constants, name) for name in EPILOGUE}
    given = {name: array for name, array in named.items() if array is not None}
    want = check.expected(case, check.dots(case))
    given["weights"] = case.weights
    return Question(case.op, given, case.signs, case.residual), want


def real_ops() -> list[Op]:
    """All but signs: what the CPU's tests have, and small ones with every option."""
    size: dict[str, Any] = {"height": 5, "width": 7}
    ops: list[Op] = [*test_real_conv.SHAPES, *test_stem.SHAPES]
    for n, after in enumerate(test_real_conv.AFTER.values()):
        some: Any = {"padding": 1, "inputs": 1 + n % 3, "after": after}
        ops.append(test_real_conv.conv(5, 6, (16, 37, 80)[n % 3], **some))
        ops.append(test_real_conv.conv(5, 10, 10, groups=(5, 10)[n % 2], **some))
    for channels in (5, 16, 33):
        ops += [Linear(channels=channels, filters=n) for n in (1, 24, 130)]
        for kind in Pooling:
            ops.append(Pool(kind=kind, **size, channels=channels, kernel=3, stride=2, padding=1))
            ops.append(Pool(kind=kind, **size, channels=channels, kernel=2, stride=1, sets=2))
        ops.append(GlobalPool(**size, channels=channels, sets=3))
        for out in ((5, 7), (2, 3), (10, 14), (1, 1)):
            sized: Any = {**size, "channels": channels, "out_height": out[0], "out_width": out[1]}
            ops += [Skip(**sized, filters=40, inputs=2), Skip(**sized, filters=9, onto=3)]
            ops.append(Resize(**sized, sets=2))
        for kind, inputs, outputs in (
            *((Blend.MEAN, 3, 1), (Blend.LAMBDA, 2, 1), (Blend.GATE, 3, 3), (Blend.GATE, 2, 4)),
            *((Blend.GATE, 3, 2), (Blend.ROUTE, 3, 2)),
        ):
            mixed: Any = {"kind": kind, "inputs": inputs, "outputs": outputs}
            ops.append(Mix(**size, channels=channels, **mixed, signs=inputs - 1))
        ops.append(Mix(kind=Blend.MEAN, **size, channels=channels, inputs=2, floats=False, signs=1))
        ops.append(Pack(**size, channels=channels, sets=2, signs=3))
        for curve, residual in ((Curve.PRELU, Residual.EACH), (Curve.RELU, Residual.ONE)):
            for summed in (False, True):
                after = Epilogue(
                    floats=True, signs=2, sum=summed, inner=curve, residual=residual, outer=curve
                )
                ops.append(Affine(**size, channels=channels, sets=3, after=after))
    return ops


def real() -> Iterator[Asked]:
    """Every bit is that of the CPU's kernels, which add up in the same order."""
    for n, op in enumerate(real_ops()):
        yield _real(op, n)


def _real(op: Any, n: int) -> Asked:
    rng, batch = np.random.default_rng(n), 1 + n % 3
    form = flow(op)

    def maps(value: Any) -> Array:
        sets, *rest = depths(value)
        if isinstance(op, Stem) and value is form.reads:
            return rng.integers(0, 256, (sets, batch, *rest), np.uint8)
        return rng.standard_normal((sets, batch, *rest), np.float32)

    given = sample.parameters(op, rng)
    if isinstance(op, Mix) and op.kind is Blend.GATE and op.outputs > op.inputs:
        del given["sums"]
    x, residual = maps(form.reads), None if form.residual is None else maps(form.residual)
    want = Real(op, given, isa=choose().name).run(x, residual)
    tile = None
    if is_conv(op):
        tiles = tiles_of(op, Product.FUSED)
        tile = tiles[n % len(tiles)]
    return Question(op, given, x, residual, tile), want
