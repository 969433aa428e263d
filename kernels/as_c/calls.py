"""Which C function computes an op, and the constants it is given: `runtime` has both forms."""

from __future__ import annotations

from typing import Any, NamedTuple, assert_never

from kernels import stem_tables
from kernels.bits import bytes_for
from kernels.engine import EPILOGUE
from kernels.epilogue import Curve, Epilogue
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
    Stem,
)
from kernels.parameters import Array, Parameters


class Call(NamedTuple):
    """The function bnn_<function>; the fields of its struct, but for those that are 0 or NULL."""

    function: str
    struct: str
    fields: dict[str, int | Array]


def call(op: Op, given: Parameters) -> Call:
    match op:
        case BinaryConv():
            fields = _fields(op, "kernel stride dilation padding inputs bases own")
            return _call("binary_conv", _sides(op) | fields | _weights(given) | _end(op, given))
        case BinaryLinear():
            return call(op.as_conv(), given)
        case RealConv():
            fields = _fields(op, "kernel stride dilation padding groups")
            return _call("real_conv", _sides(op) | fields | _weights(given) | _end(op, given))
        case Stem():
            return _call("stem", _stem(op) | stem_tables.arrays(op, given) | _end(op, given))
        case Affine():
            ending = _ending(op.after, given, op.channels, op.sets, op.height * op.width)
            return Call("affine", "bnn_ending", ending)
        case Linear():
            return _call("linear", _fields(op, "channels filters") | dict(given))
        case Mix():
            fields = _fields(op, "channels inputs outputs signs") | _pixels(op)
            kinds = {"gate": op.kind is Blend.GATE, "route": op.kind is Blend.ROUTE}
            return _call("mix", fields | kinds | dict(given))
        case Pack():
            return _call("pack", _fields(op, "channels sets signs") | _pixels(op) | dict(given))
        case Resize():
            return _call("resize", _sides(op) | _fields(op, "sets"))
        case Pool():
            sliding = _fields(op, "sets kernel stride padding")
            largest = {"filters": op.channels, "largest": op.kind is Pooling.MAX}
            return _call("windows", _sides(op) | largest | sliding)
        case GlobalPool():
            size = _fields(op, "height width channels sets")
            return _call(
                "windows", size | {"out_height": 1, "out_width": 1, "filters": op.channels}
            )
        case Skip():
            return _call("windows", _sides(op) | {"sets": op.inputs} | _fields(op, "filters onto"))
        case _:
            assert_never(op)


def _call(name: str, fields: dict[str, int | Array]) -> Call:
    return Call(name, f"bnn_{name}_op", fields)


def _fields(op: Op, names: str) -> dict[str, Any]:
    return {name: int(getattr(op, name)) for name in names.split()}


def _sides(op: Op) -> dict[str, int | Array]:
    return _fields(op, "height width channels out_height out_width")


def _pixels(op: Mix | Pack) -> dict[str, int | Array]:
    return {"pixels": op.height * op.width}


def _weights(given: Parameters) -> dict[str, int | Array]:
    return {"weights": given["weights"]}


def _stem(op: Stem) -> dict[str, int | Array]:
    conv = op.as_conv()
    return {
        **_sides(op),
        "conv_height": conv.out_height,
        "conv_width": conv.out_width,
        **_fields(op, "kernel stride padding"),
        "pool": max(op.pool, 1),
        **_fields(op, "pool_stride pool_padding"),
        "column_cuts": len(stem_tables.cuts(op, op.width, conv.out_width).taps),
    }


def _end(op: BinaryConv | RealConv | Stem, given: Parameters) -> dict[str, int | Array]:
    match op:
        case BinaryConv():
            pairs = op.pairs
        case RealConv():
            pairs = op.inputs
        case Stem():
            pairs = 1
    fields = _ending(op.after, given, op.filters, pairs, op.out_height * op.out_width)
    return {f"end.{name}": value for name, value in fields.items()}


def _ending(
    after: Epilogue, given: Parameters, filters: int, pairs: int, pixels: int
) -> dict[str, int | Array]:
    numbers: dict[str, int | Array] = {
        "filters": filters,
        "pairs": pairs,
        "pixels": pixels,
        "inner": after.inner is not Curve.NONE,
        "sum": after.sum,
        "outer": after.outer not in (None, Curve.NONE),
        "signs": after.signs,
    }
    return numbers | {name: given[name] for name in EPILOGUE if name in given}


def field_bytes(op: Op) -> int:
    """What a binary op gathers for one pixel: a window of each of its inputs."""
    match op:
        case BinaryConv():
            return op.inputs * op.kernel**2 * bytes_for(op.channels)
        case BinaryLinear():
            return field_bytes(op.as_conv())
        case _:
            return 0
