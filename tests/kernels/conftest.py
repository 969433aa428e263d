"""What the kernel tests share: cases with everything an op needs, made from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import bits, isas, reference
from kernels.binary import Constants, Result
from kernels.ops import BinaryConv, Curve, Residual


@dataclass(frozen=True, eq=False)
class Case:
    """An op, what goes into it, and what must come out."""

    op: BinaryConv
    batch: int
    x: NDArray[np.int8]
    w: NDArray[np.int8]
    constants: Constants
    residual: NDArray[np.float32] | None
    expected: Result

    def check(self, got: Result) -> None:
        for name in ("dots", "floats", "bits"):
            wanted, there = getattr(self.expected, name), getattr(got, name)
            assert (wanted is None) == (there is None), name
            if wanted is not None:
                np.testing.assert_array_equal(there, wanted, err_msg=f"{name} of {self.op}")


def make_case(op: BinaryConv, seed: int = 0, batch: int = 1) -> Case:
    rng = np.random.default_rng(seed)
    after, sets, pairs, filters = op.after, op.sets, op.pairs, op.filters
    sign = np.array([-1, 1], np.int8)
    x = rng.choice(sign, (op.inputs, batch, op.height, op.width, op.channels))
    w = rng.choice(sign, (op.bases, filters, op.kernel, op.kernel, op.channels))

    def some(wanted: bool, *shape: int) -> NDArray[np.float32] | None:
        return rng.normal(size=shape).astype(np.float32) if wanted else None

    constants = Constants(
        scale=some(not after.raw, pairs, filters),  # of both signs
        shift=some(not after.raw, pairs, filters),
        slope=some(after.inner == Curve.PRELU, pairs, filters),
        each=some(after.residual == Residual.EACH, pairs),
        before=some(after.outer is not None, sets, filters),
        curve=some(after.outer == Curve.PRELU, sets, filters),
        after=some(after.outer is not None, sets, filters),
        thresholds=some(after.signs > 0, sets, after.signs, filters),
    )
    maps = {Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: pairs}[after.residual]
    residual = some(maps > 0, maps, batch, op.out_height, op.out_width, filters)
    dots = reference.dots(op, x, w)
    if after.raw:
        expected = Result(dots=dots)
    else:
        y = reference.epilogue(op, dots, constants, residual)
        expected = Result(
            floats=y if after.floats else None,
            bits=bits.pack(reference.signs(op, y, constants)) if after.signs else None,
        )
    return Case(op, batch, x, w, constants, residual, expected)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Iterator[isas.Isa]:
    """An instruction set that is in the table, first, and that no machine of tests can run."""
    row = isas.Isa("avx1024", "", False, (("words-rows", ""),), "")
    rows = (row, *isas.every())
    monkeypatch.setattr(isas, "every", lambda: rows)
    isas.available.cache_clear()
    yield row
    isas.available.cache_clear()


@pytest.fixture
def case() -> Callable[..., Case]:
    return make_case
