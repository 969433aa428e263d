"""What passes between the ops of a program, and how much of it each op takes and gives.

Values are numbered in the order in which they are written; value 0 is the image. A value's sets are
its parallel maps, one for each branch or activation base; an op may read all of them, or some that
lie together.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from kernels.epilogue import FLOATS, Epilogue
from kernels.ops import (
    Affine,
    BinaryConv,
    BinaryLinear,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    RealConv,
    Resize,
    Skip,
    Stem,
)


class Value(NamedTuple):
    """What passes between steps: `sets` maps, of float32 or, with `bits`, of signs."""

    bits: bool
    sets: int
    height: int
    width: int
    channels: int

    @property
    def bytes(self) -> int:
        """For one image. Signs take whole bytes per pixel and set, as `kernels.bits` lays them."""
        return self.sets * self.set_bytes

    @property
    def set_bytes(self) -> int:
        pixel = (self.channels + 7) // 8 if self.bits else 4 * self.channels
        return self.height * self.width * pixel


class Use(NamedTuple):
    """`sets` of the sets of a value, from `first` on."""

    value: int
    first: int
    sets: int


class Flow(NamedTuple):
    """What an op reads, adds and writes: None where it does not.

    What it reads may come from several values, whose sets follow each other.
    """

    reads: Value
    residual: Value | None
    floats: Value | None
    bits: Value | None


def flow(op: Op) -> Flow:
    match op:
        case BinaryConv():
            return _ended(op.after, op.inputs, op.pairs, op, bits=True)
        case BinaryLinear():
            return flow(op.as_conv())
        case RealConv():
            return _ended(op.after, op.inputs, op.inputs, op, bits=False)
        case Stem():  # what it reads is the image, as pixels
            maps = Value(False, 1, op.out_height, op.out_width, op.filters)
            image = Value(False, 1, op.height, op.width, op.channels)
            return Flow(image, *_ending(op.after, 1, maps))
        case Affine():
            maps = Value(False, op.sets, op.height, op.width, op.channels)
            return Flow(maps, *_ending(op.after, op.sets, maps))
        case Mix():
            maps = Value(False, op.inputs, op.height, op.width, op.channels)
            return Flow(maps, *_ending(ending(op), op.outputs, maps))
        case Pack():
            maps = Value(False, op.sets, op.height, op.width, op.channels)
            return Flow(maps, *_ending(ending(op), op.sets, maps))
        case Pool():
            maps = Value(False, op.sets, op.height, op.width, op.channels)
            return _plain(maps, maps._replace(height=op.out_height, width=op.out_width))
        case GlobalPool():
            maps = Value(False, op.sets, op.height, op.width, op.channels)
            return _plain(maps, maps._replace(height=1, width=1))
        case Skip():
            maps = Value(False, op.inputs, op.height, op.width, op.channels)
            sized = Value(False, op.sets, op.out_height, op.out_width, op.filters)
            return Flow(maps, sized if op.onto else None, sized, None)
        case Resize():
            maps = Value(False, op.sets, op.height, op.width, op.channels)
            return _plain(maps, maps._replace(height=op.out_height, width=op.out_width))
        case Linear():
            vector = Value(False, 1, 1, 1, op.channels)
            return _plain(vector, vector._replace(channels=op.filters))
        case _:
            assert_never(op)


def ending(op: Op) -> Epilogue:
    """What it does to its results before they are written: of most ops nothing."""
    match op:
        case BinaryConv() | BinaryLinear() | RealConv() | Stem() | Affine():
            return op.after
        case Mix():
            return Epilogue(floats=op.floats, signs=op.signs)
        case Pack():
            return Epilogue(signs=op.signs)
        case _:
            return FLOATS


def _plain(reads: Value, writes: Value) -> Flow:
    return Flow(reads, None, writes, None)


def _ended(
    after: Epilogue, inputs: int, pairs: int, op: BinaryConv | RealConv, *, bits: bool
) -> Flow:
    reads = Value(bits, inputs, op.height, op.width, op.channels)
    one = Value(False, 1, op.out_height, op.out_width, op.filters)
    return Flow(reads, *_ending(after, pairs, one))


def _ending(
    after: Epilogue, pairs: int, like: Value
) -> tuple[Value | None, Value | None, Value | None]:
    sets = 1 if after.sum else pairs
    added = after.maps_added(pairs)
    residual = like._replace(sets=added) if added else None
    floats = like._replace(sets=sets) if after.floats else None
    signs = like._replace(bits=True, sets=sets * after.signs) if after.signs else None
    return residual, floats, signs
