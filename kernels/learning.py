"""What a binary convolution computes while it learns, in the core: its products with the sums that
a batch norm wants, and its gradients. Maps are float32 (batch, height, width, channels).

The results do not depend on the number of threads, in any bit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kernels import _core, isas
from kernels.binary import NO_CONSTANTS
from kernels.bits import Bits, bytes_for
from kernels.isas import Choice
from kernels.ops import RAW, BinaryConv

Floats = NDArray[np.float32]


@lru_cache(256)
def learns(op: BinaryConv) -> bool:
    """Whether `Products` can be of this op, on this machine."""
    return bool(_core.learn_fits(op))


class Products:
    """Of one input with one base; r(d) below is max(d, 0) with `relu`, else d.

    sums  (2, filters): of r(d) and of its square, over all pixels; whole numbers
    """

    def __init__(
        self, op: BinaryConv, weights: Floats, x: Floats, *, relu: bool, threads: int
    ) -> None:
        """weights: (filters, kernel, kernel, channels); only their signs matter here."""
        one, choice = _one(op)
        batch = len(x)
        self.relu, self.threads = relu, threads
        self.weights: Bits = np.packbits(weights < 0, axis=-1, bitorder="little")
        self.bits = np.empty((batch, op.height, op.width, bytes_for(op.channels)), np.uint8)
        self.dots = np.empty((batch, op.out_height, op.out_width, op.filters), np.int16)
        self.sums = np.empty((2, op.filters), np.int64)
        self._core = _core.make(one, choice.isa, choice.variant, self.weights[None], NO_CONSTANTS)
        _core.learn_count(self._core, choice.isa, relu, x, self.bits, self.dots, self.sums, threads)

    def finish(self, factor: Floats, add: Floats, residual: Floats | None, out: Floats) -> None:
        """out = r(d) * factor + add, and + residual where there is one; factors (filters,)."""
        _core.learn_finish(self.dots, self.relu, factor, add, residual, out, self.threads)

    def reduce(self, grad: Floats) -> NDArray[np.float64]:
        """(2, filters): the sums of the gradient and of gradient * r(d)."""
        sums = np.empty_like(self.sums, np.float64)
        _core.learn_reduce(self.dots, self.relu, grad, sums, self.threads)
        return sums

    def backward(
        self,
        grad: Floats,
        by: Floats,
        scale: Floats,
        x: Floats,
        *,
        estimator: str,
        shortcut: bool,
        more: bool,
        dx: Floats,
    ) -> Floats:
        """The gradient of the weights, as these; that of x is written to dx, or added with `more`.

        by         (3, filters): the gradient of d is by[0] * grad + by[1] + by[2] * r(d), and 0
                   where d is not above 0 with `relu`
        scale      (filters,), of the weights
        estimator  identity, clipped or polynomial: of the signs of x
        shortcut   x was the residual too: dx has the gradient itself as well
        """
        kernel = self._core
        dw = np.empty((*self.weights.shape[:-1], x.shape[-1]), np.float32)
        _core.learn_backward(
            kernel, self.dots, self.relu, grad, by, scale, self.weights, self.bits, x,
            estimator, shortcut, more, dx, dw, self.threads,
        )  # fmt: skip
        return dw


@lru_cache(256)
def _one(op: BinaryConv) -> tuple[BinaryConv, Choice]:
    """One input, one base; and the first kernel of the best instruction set that has one."""
    one = replace(op, inputs=1, bases=1, own=False, after=RAW)
    return one, isas.choices(one)[0]


def blend(maps: list[Floats], factors: Floats, out: list[Floats], *, threads: int) -> None:
    """out[o] = the sum of factors[o, i] * maps[i]."""
    _core.learn_blend(maps, factors, out, threads)


def blend_backward(
    maps: list[Floats], grads: list[Floats], factors: Floats, out: list[Floats], *, threads: int
) -> NDArray[np.float64]:
    """The gradient of the factors, as these; that of maps is written to out."""
    sums = np.empty(factors.shape, np.float64)
    _core.learn_blend_backward(maps, grads, factors, out, sums, threads)
    return sums
