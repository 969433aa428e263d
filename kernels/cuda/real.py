"""All ops but convolutions without groups, as launches: a thread for each number, or for 8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np

from kernels import stem_tables
from kernels.cuda import ending
from kernels.cuda.conv import MOST_PIXELS, Places, window
from kernels.cuda.launch import Field, Launch, Place, blocks, constant, floats, launch, reads
from kernels.epilogue import Epilogue
from kernels.flow import flow
from kernels.ops import (
    Affine,
    Blend,
    GlobalPool,
    Mix,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
    Stem,
)
from kernels.parameters import Array, Parameters
from kernels.program import Normal

Map = RealConv | Stem | Affine | Mix | Pack | Pool | GlobalPool | Skip | Resize
THREADS = 128
KINDS = {Blend.MEAN: 0, Blend.LAMBDA: 0, Blend.GATE: 1, Blend.ROUTE: 2}


def real(op: Map, given: Parameters, at: Places, batch: int) -> Launch:
    form = flow(op)
    maps = [value for value in (form.reads, form.floats, form.bits) if value is not None]
    pixels = batch * max(value.height * value.width for value in maps)
    bytes_of_image = op.height * op.width * op.channels if isinstance(op, Stem) else 0
    if max(pixels, bytes_of_image) > MOST_PIXELS:
        raise ValueError(f"{op} is too large for a GPU kernel with {batch} images")
    match op:
        case RealConv():
            return _grouped(op, given, at, batch)
        case Stem():
            return _stem(op, given, at, batch)
        case Affine():
            macros = ending.macros(op.after, op.channels, op.sets)
            deep = 1 if op.after.sum else op.sets
            return _ended("affine", macros, {}, given, at, _pixels(op, batch), deep)
        case Mix():
            return _mix(op, given, at, batch)
        case Pack():
            macros = ending.put(Epilogue(signs=op.signs), op.channels)
            return _ended("pack", macros, {}, given, at, _pixels(op, batch), op.sets)
        case Pool():
            sliding = {"SLIDES": 1, "KERNEL": op.kernel, "STRIDE": op.stride, "PADDING": op.padding}
            macros = {**_sides(op), "LARGEST": op.kind is Pooling.MAX, **sliding}
            return _each("windows", macros, at, batch, op.channels)
        case GlobalPool():
            macros = {**_sides(op, 1, 1), "LARGEST": 0, "SLIDES": 0}
            return _each("windows", macros, at, batch, op.channels)
        case Skip():
            macros = {**_sides(op), "LARGEST": 0, "SLIDES": 0}
            return _each("windows", macros | {"ONTO": op.onto}, at, batch, op.filters)
        case Resize():
            rows, columns = (
                _between(name, *size)
                for name, size in (
                    ("row", (op.height, op.out_height)),
                    ("column", (op.width, op.out_width)),
                )
            )
            return _each("resize", _sides(op), at, batch, op.channels, {**rows, **columns})
        case _:
            assert_never(op)


def normalise(normal: Normal, numbers: int, to: Place) -> Launch:
    """Of images of so many whole numbers together."""
    mean, std = (constant(np.array(row, np.float32)) for row in normal)
    image = {"image": Field("const Byte*", Place(0, images=True)), **floats(to)}
    fields = {"numbers": Field("Long", numbers), **image, "mean": mean, "std": std}
    grid = (blocks(numbers, THREADS), 1, 1)
    return launch(("normalise",), {"CHANNELS": len(normal.mean)}, fields, grid, THREADS)


def _sides(op: Any, out_height: int | None = None, out_width: int | None = None) -> dict[str, int]:
    return {
        "HEIGHT": op.height,
        "WIDTH": op.width,
        "CHANNELS": op.channels,
        "OUT_HEIGHT": out_height or op.out_height,
        "OUT_WIDTH": out_width or op.out_width,
    }


def _pixels(op: Affine | Mix | Pack, batch: int) -> int:
    return batch * op.height * op.width


def _ended(
    part: str,
    macros: Mapping[str, int],
    more: Mapping[str, Field],
    given: Parameters,
    at: Places,
    pixels: int,
    deep: int,
) -> Launch:
    """A thread for 8 channels of a pixel; of each set a layer of the grid."""
    kind = "const Byte*" if part == "stem" else "const float*"
    places = {"residual": at.residual, "floats": at.floats, "bits": at.bits}
    fields = {**reads(kind, at.reads), **more, **ending.fields(given, pixels, **places)}
    groups = (macros["FILTERS"] + 7) // 8
    grid = (blocks(pixels * groups, THREADS), deep, 1)
    return launch(("ending", "item", part), macros, fields, grid, THREADS)


def _each(
    part: str,
    macros: Mapping[str, int],
    at: Places,
    batch: int,
    filters: int,
    more: Mapping[str, Field] | None = None,
) -> Launch:
    """A thread for each number of a map; of each set a layer of the grid."""
    pixels = batch * macros["OUT_HEIGHT"] * macros["OUT_WIDTH"]
    residual = {} if at.residual is None else {"residual": Field("const float*", at.residual)}
    fields = {
        **reads("const float*", at.reads),
        "pixels": Field("Long", pixels),
        **residual,
        **floats(at.floats),
        **(more or {}),
    }
    every = {"ONTO": 0, **macros, "FILTERS": filters}
    grid = (blocks(pixels * filters, THREADS), len(at.reads), 1)
    return launch((part,), every, fields, grid, THREADS)


def _grouped(op: RealConv, given: Parameters, at: Places, batch: int) -> Launch:
    taken, made = op.channels // op.groups, op.filters // op.groups
    macros = {
        **window(op),
        "CHANNELS": op.channels,
        **ending.macros(op.after, op.filters, op.inputs),
        "TAKEN": taken,
        "MADE": made,
    }
    turned = given["weights"].reshape(op.filters, -1).T
    deep = 1 if op.after.sum else op.inputs
    pixels = batch * op.out_height * op.out_width
    return _ended("grouped", macros, {"weights": constant(turned)}, given, at, pixels, deep)


def _stem(op: Stem, given: Parameters, at: Places, batch: int) -> Launch:
    conv, spare = op.as_conv(), -op.filters % 8
    tables = stem_tables.arrays(op, given)

    def filled(array: Array) -> Array:
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, spare)])

    macros = {
        **_sides(op),
        **ending.macros(op.after, op.filters, 1),
        "CONV_HEIGHT": conv.out_height,
        "CONV_WIDTH": conv.out_width,
        "KERNEL": op.kernel,
        "STRIDE": op.stride,
        "PADDING": op.padding,
        "POOL": max(op.pool, 1),
        "POOL_STRIDE": op.pool_stride,
        "POOL_PADDING": op.pool_padding,
        "COLUMN_CUTS": tables["whole"].shape[1],
    }
    laid = {
        "weights": filled(np.moveaxis(tables["weights"], 0, -1)),
        "whole": filled(tables["whole"]),
        "part": filled(tables["part"]),
        "row_cut": tables["row_cut"],
        "column_cut": tables["column_cut"],
    }
    more = {name: constant(array) for name, array in laid.items()}
    pixels = batch * op.out_height * op.out_width
    return _ended("stem", macros, more, given, at, pixels, 1)


def _mix(op: Mix, given: Parameters, at: Places, batch: int) -> Launch:
    macros = {
        **ending.put(Epilogue(floats=op.floats, signs=op.signs), op.channels),
        "INPUTS": op.inputs,
        "KIND": KINDS[op.kind],
        "WEIGHTED": "sums" in given,
    }
    more = {name: constant(given[name]) for name in ("blend", "sums") if name in given}
    return _ended("mix", macros, more, given, at, _pixels(op, batch), op.outputs)


def _between(name: str, size: int, out: int) -> dict[str, Field]:
    """As kernels/as_c/runtime/resize.c finds them: in float64, then rounded once."""
    at = (np.arange(out, dtype=np.float64) + 0.5) * size / out - 0.5
    at = np.clip(at, 0, size - 1)
    first = at.astype(np.int32)
    rest = at - first
    return {
        name: constant(first),
        f"{name}_first": constant((1 - rest).astype(np.float32)),
        f"{name}_second": constant(rest.astype(np.float32)),
    }
