"""What the driver is asked, and what its answers mean; driver.cpp says how both lie in bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import memory, ops
from kernels.binary import Constants, Result
from kernels.bits import Bits, bytes_for
from kernels.engine import NOWHERE, Images
from kernels.epilogue import Curve, Epilogue, Residual
from kernels.flow import Value, ending
from kernels.isas import Choice
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
    RealConv,
    Resize,
    Skip,
)
from kernels.program import Node, Program
from kernels.real import empty

Floats = NDArray[np.float32]

# In the order of the enums in kernel.h, real_ops.h and driver.cpp; and of Constants.
CURVES, RESIDUALS, BLENDS, POOLINGS = list(Curve), list(Residual), list(Blend), list(Pooling)
REAL_OPS: list[type] = [RealConv, Linear, Pool, GlobalPool, Skip, Resize, Mix, Affine, Pack]
CONSTANTS = ("scale", "shift", "slope", "each", "before", "curve", "after", "thresholds")
RENAMED = {"bias": "shift", "blend": "weights", "sums": "scale"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution:
    """An op with all that it is given; weights and signs are packed."""

    op: BinaryConv
    weights: Bits
    constants: Constants
    signs: Bits
    residual: Floats | None
    threads: int = 1

    def message(self, choice: Choice) -> bytes:
        batch, c = self.signs.shape[1], self.constants
        constants = {name: getattr(c, name) for name in CONSTANTS}
        given = {"weights": self.weights, **constants}
        return _op(self.op, given, choice, batch, self.threads, self.signs, self.residual)

    def read(self, dots: bytes, floats: bytes, bits: bytes) -> Result:
        o = self.op
        place = (self.signs.shape[1], o.out_height, o.out_width)
        size = bytes_for(o.filters)
        return Result(
            dots=_array(dots, np.int32, (o.pairs, *place, o.filters)),
            floats=_array(floats, np.float32, (o.sets, *place, o.filters)),
            bits=_array(bits, np.uint8, (o.sets, o.after.signs, *place, size)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """What `pack_below` does: values (pixels, channels), thresholds (signs, channels)."""

    values: Floats
    thresholds: Floats

    def message(self, choice: Choice) -> bytes:
        numbers = (1, *self.values.shape, len(self.thresholds))
        return _message(numbers, choice, (self.values, self.thresholds))

    def read(self, dots: bytes, floats: bytes, bits: bytes) -> Result:
        pixels, channels = self.values.shape
        return Result(
            bits=_array(bits, np.uint8, (len(self.thresholds), pixels, bytes_for(channels)))
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Computation:
    """A real op with all that it is given. Of a choice only the instruction set matters."""

    op: ops.Real
    parameters: Mapping[str, Floats]
    x: Floats
    residual: Floats | None = None
    threads: int = 1

    def message(self, choice: Choice) -> bytes:
        batch = self.x.shape[1]
        return _op(self.op, self.parameters, choice, batch, self.threads, self.x, self.residual)

    def read(self, dots: bytes, floats: bytes, bits: bytes) -> Result:
        made = empty(self.op, self.x.shape[1])
        return Result(floats=_like(made.floats, floats), bits=_like(made.bits, bits))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Execution:
    """A program with images; the choice is that of all its nodes."""

    program: Program
    images: Images
    threads: int = 1

    def message(self, choice: Choice) -> bytes:
        p, image, output = self.program, self.program.image, self.program.output
        layout = memory.layout(memory.lives(p.values, p.nodes, output))
        at, size = layout.offsets, p.values[output].set_bytes // 4
        where = (image.height, image.width, image.channels, at.get(0, NOWHERE))
        whole = self.images.dtype == np.uint8
        how = (at[output], size, layout.bytes, whole, len(self.images), self.threads)
        normal = [np.array(row, np.float32) for row in p.normal or ((), ())]
        message = _message((3, len(p.nodes), *where, *how), choice, (*normal, self.images))
        for node, given in zip(p.nodes, p.parameters, strict=True):
            places = np.array(_places(node, p.values, at), np.int64)
            message += _op(node.op, given, choice, 1, 1, places, None)
        return message

    def read(self, dots: bytes, floats: bytes, bits: bytes) -> Result:
        return Result(floats=_array(floats, np.float32, (len(self.images), -1)))


def known(op: Op) -> bool:
    """Whether the driver can be asked about it."""
    return isinstance(op, (BinaryConv, BinaryLinear, *REAL_OPS))


Question = Convolution | Packing | Computation | Execution


def _places(node: Node, values: Sequence[Value], at: Mapping[int, int]) -> list[int]:
    """Of the residual, the floats, the bits, and of each set that is read."""
    places = [NOWHERE if n is None else at[n] for n in (node.floats, node.bits)]
    starts = {use: at[use.value] + use.first * values[use.value].set_bytes for use in node.uses}
    places.insert(0, NOWHERE if node.residual is None else starts[node.residual])
    for use in node.reads:
        size = values[use.value].set_bytes
        places += [starts[use] + n * size if use.value else NOWHERE for n in range(use.sets)]
    return places


def _op(
    op: Op,
    given: Mapping[str, NDArray[Any] | None],
    choice: Choice,
    batch: int,
    threads: int,
    *maps: NDArray[Any] | None,
) -> bytes:
    """A binary convolution or a real op; maps: input and residual."""
    named = {RENAMED.get(name, name): array for name, array in given.items()}
    arrays = [named.get(name) for name in ("weights", *CONSTANTS)]
    numbers = (*_shape(op), batch, threads)
    return _message(numbers, choice, (*arrays, *maps))


def _shape(op: Op) -> tuple[int, ...]:
    """What a header begins with, up to the epilogue and with it."""
    if isinstance(op, BinaryLinear):
        op = op.as_conv()
    if isinstance(op, BinaryConv):
        shape = (op.height, op.width, op.channels, op.filters, op.kernel, op.stride, op.dilation)
        return (0, *shape, op.padding, op.inputs, op.bases, op.own, *_after(op.after))
    numbers = [_number(getattr(op, f.name)) for f in fields(op) if f.name != "after"]
    numbers += [0] * (10 - len(numbers))
    return (2, REAL_OPS.index(type(op)), *numbers, *_after(ending(op)))


def _after(a: Epilogue) -> tuple[int, ...]:
    outer = (a.outer is not None, CURVES.index(a.outer or Curve.NONE))
    return (a.floats, a.signs, a.sum, CURVES.index(a.inner), RESIDUALS.index(a.residual), *outer)


def _number(field: int | Blend | Pooling) -> int:
    if isinstance(field, Blend):
        return BLENDS.index(field)
    return POOLINGS.index(field) if isinstance(field, Pooling) else field


def _message(
    numbers: Sequence[int], choice: Choice, arrays: Sequence[NDArray[np.generic] | None]
) -> bytes:
    header = struct.pack("<21q", *numbers, *[0] * (21 - len(numbers)))
    names = struct.pack("16s16s", choice.isa.encode(), choice.variant.encode())
    bodies = [b"" if a is None else np.ascontiguousarray(a).tobytes() for a in arrays]
    return header + names + b"".join(struct.pack("<q", len(b)) + b for b in bodies)


def _array(part: bytes, dtype: type[np.generic], shape: tuple[int, ...]) -> Any:
    return np.frombuffer(part, dtype).reshape(shape) if part else None


def _like(array: NDArray[Any] | None, part: bytes) -> Any:
    assert bool(part) == (array is not None), "the driver gave something else than was asked"
    return None if array is None else np.frombuffer(part, array.dtype).reshape(array.shape)
