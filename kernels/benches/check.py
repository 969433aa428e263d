"""Is a kernel right? Compared with the reference, bit for bit, on random data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kernels import reference, sample
from kernels.binary import Result
from kernels.bits import pack, unpack
from kernels.isas import Choice
from kernels.ops import BinaryConv, Epilogue
from kernels.sample import Case

MOST = 150_000_000  # products that the reference is asked for; it does about 10^9 in a second


class Wrong(RuntimeError):
    """A kernel gave something else than the reference: a bug of ours."""


def check(
    op: BinaryConv,
    batch: int,
    choices: Sequence[Choice],
    endings: Sequence[Epilogue],
    *,
    threads: int = 1,
    most: int = MOST,
) -> str:
    """Check each kernel, with each ending of the sums. Says on what; a difference is `Wrong`.

    Where the op is too much for the reference, a smaller image with the same channels is taken.
    """
    rng = np.random.default_rng(1)
    small, images = cut_down(op, batch, most)
    case = sample.case(small, images, rng)
    sums = dots(case)
    for after in endings:
        ending = case.ending(after, rng)
        want = expected(ending, sums)
        for choice in choices:
            got = ending.kernel(choice, threads).run(ending.signs, ending.residual)
            if words := difference(got, want):
                raise Wrong(f"{choice} is wrong on {ending.op}: {words}")
    if (small.height, small.width, images) == (op.height, op.width, batch):
        return "whole"
    return f"{images} of {batch} images, cut down to {small.height}x{small.width}"


def cut_down(op: BinaryConv, batch: int, most: int) -> tuple[BinaryConv, int]:
    """As much of the op and its batch as has at most so many products, or the least there is."""
    reach = op.dilation * (op.kernel - 1) + 1 - 2 * op.padding
    images = max(1, min(batch, most // op.macs))
    while op.macs * images > most and max(op.height, op.width) > max(reach, 1):
        height, width = (max(reach, 1, size * 3 // 4) for size in (op.height, op.width))
        op = dataclasses.replace(op, height=height, width=width)
    return op, images


def expected(case: Case, sums: NDArray[np.int32]) -> Result:
    """What should come out, given the dot products by the reference."""
    after = case.op.after
    if after.raw:
        return Result(dots=sums)
    floats = reference.epilogue(case.op, sums, case.constants, case.residual)
    bits = pack(reference.signs(case.op, floats, case.constants)) if after.signs else None
    return Result(floats=floats if after.floats else None, bits=bits)


def difference(got: Result, want: Result) -> str:
    """In words how two results differ, bit for bit; empty where they do not."""
    for name in ("dots", "floats", "bits"):
        g, w = getattr(got, name), getattr(want, name)
        if (g is None) != (w is None):
            return f"only one of the two has {name}"
        if g is not None and not np.array_equal(g, w):
            first = tuple(map(int, np.argwhere(g != w)[0]))
            return f"{int((g != w).sum())} of {g.size} {name} differ, the first at {first}"
    return ""


def dots(case: Case) -> NDArray[np.int32]:
    """Slow, and the same for every ending of the sums."""
    channels = case.op.channels
    return reference.dots(case.op, unpack(case.signs, channels), unpack(case.weights, channels))
