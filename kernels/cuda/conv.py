"""Convolutions and linear maps as launches of `src/conv.cu`: their weights laid out for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import bytes_for
from kernels.cuda import ending, tiles
from kernels.cuda.launch import Launch, Place, blocks, constant, launch, reads
from kernels.cuda.tiles import Product, Tile
from kernels.epilogue import Epilogue
from kernels.ops import BinaryConv, BinaryLinear, Linear, RealConv
from kernels.parameters import Array, Parameters

Conv = BinaryConv | BinaryLinear | RealConv | Linear  # groups of 1
CODES = {Product.POPC: 0, Product.BITS: 1, Product.BYTES: 2, Product.FUSED: 3}
MOST_PIXELS = 2**31 - 1  # of a map in a whole batch; and of the numbers in a field


class Places(NamedTuple):
    """Where an op finds what it reads and adds, and what it writes: `dots` of a raw one alone."""

    reads: tuple[Place, ...]
    residual: Place | None = None
    floats: Place | None = None
    bits: Place | None = None
    dots: Place | None = None


class Shape(NamedTuple):
    """What the kernel knows of a convolution, of signs or of floats."""

    macros: dict[str, int]
    pixel_bytes: int
    field: int  # bytes
    filters: int
    pairs: int
    out: int  # pixels of an image that comes out
    after: Epilogue
    products: int
    scaled: bool = True


def is_conv(op: object) -> bool:
    """Whether `src/conv.cu` computes it."""
    if isinstance(op, RealConv):
        return op.groups == 1
    return isinstance(op, BinaryConv | BinaryLinear | Linear)


def shape(op: Conv) -> Shape:
    if isinstance(op, BinaryLinear):
        return shape(op.as_conv())
    if isinstance(op, Linear):
        plain = RealConv(height=1, width=1, channels=1, filters=op.filters, kernel=1)
        size = 4 * op.channels
        return shape(plain)._replace(pixel_bytes=size, field=size, scaled=False)
    macros = window(op)
    if isinstance(op, BinaryConv):
        size, pairs = bytes_for(op.channels), op.pairs
        macros |= {"BASES": op.bases, "OWN": op.own}
    else:
        size, pairs = 4 * op.channels, op.inputs
        macros |= {"BASES": 1, "OWN": 0}
    field, out = op.kernel**2 * size, op.out_height * op.out_width
    products = op.kernel**2 * op.channels
    return Shape(macros, size, field, op.filters, pairs, out, op.after, products)


def most_summed(product: Product) -> int:
    """Pixels of a thread where pairs are summed: the totals of more overflow its registers."""
    return 2 if product is Product.BYTES else 4


def window(op: BinaryConv | RealConv) -> dict[str, int]:
    """The map, and what slides over it."""
    return {
        "HEIGHT": op.height,
        "WIDTH": op.width,
        "KERNEL": op.kernel,
        "STRIDE": op.stride,
        "DILATION": op.dilation,
        "PADDING": op.padding,
        "OUT_HEIGHT": op.out_height,
        "OUT_WIDTH": op.out_width,
    }


def candidates(op: Conv, capability: int) -> tuple[Tile, ...]:
    of = shape(op)
    real = isinstance(op, RealConv | Linear)
    among = (Product.FUSED,) if real else tiles.products(capability, of.field)
    fit = tiles.candidates(among, of.filters, of.field, of.pixel_bytes)
    if not of.after.sum:
        return fit
    return tuple(tile for tile in fit if tile.pixels <= most_summed(tile.product))


def guess(op: Conv, batch: int, capability: int, processors: int) -> Tile:
    """Where nothing was measured."""
    of = shape(op)
    pairs = 1 if of.after.sum else of.pairs
    among = candidates(op, capability)
    return tiles.guess(among, batch * of.out, of.filters, pairs, processors)


def conv(op: Conv, given: Parameters, at: Places, batch: int, tile: Tile) -> Launch:
    of = shape(op)
    image = of.macros["HEIGHT"] * of.macros["WIDTH"]
    if batch * max(image, of.out) > MOST_PIXELS or of.field > MOST_PIXELS:
        raise ValueError(f"{op} is too large for a GPU kernel with {batch} images")
    cut = tiles.steps(tile, of.field, of.pixel_bytes)
    unit, size = tiles.unit(of.pixel_bytes), of.pixel_bytes
    macros = {
        **of.macros,
        **ending.macros(of.after, of.filters, of.pairs),
        "SCALED": of.scaled,
        "PRODUCT": CODES[tile.product],
        "PRODUCTS": of.products,
        "BYTES": size,
        "UNIT": max(unit, 4),
        **({"PIECE": 2 if size % 2 == 0 else 1} if unit < 4 else {}),
        "FIELD": of.field,
        "WORDS": cut.words,
        "CHUNK": cut.chunk,
        "CHUNKS": -(-cut.words // cut.chunk),
        "VEC": cut.vec,
        "PITCH": cut.pitch,
        "TILE": tile.rows,
        "PX": tile.pixels,
        "GROUPS": tile.groups,
        "BLOCKS": tiles.blocks(tile, summed=of.after.sum),
    }
    rows = _rows(op, given["weights"])
    across = blocks(of.filters, tile.columns)
    constants = dict(given) | ({"shift": given["bias"]} if isinstance(op, Linear) else {})
    fields = {
        **reads("const Byte*", at.reads),
        "weights": constant(laid_out(rows, tile, cut.words)),
        **({"ones": constant(ones(rows, across * tile.columns))} if tile.product.tensor else {}),
        **ending.fields(
            constants,
            batch * of.out,
            residual=at.residual,
            floats=at.floats,
            bits=at.bits,
            dots=at.dots,
        ),
    }
    deep = 1 if of.after.sum else of.pairs
    grid = (blocks(batch * of.out, tile.rows), across, deep)
    parts = ("ending", "fields", "tensor" if tile.product.tensor else "lanes", "conv")
    return launch(parts, macros, fields, grid, tile.threads)


def _rows(op: Conv, weights: Array) -> NDArray[np.uint8]:
    """(bases, filters, bytes): of each filter what meets a field, byte by byte."""
    filters = op.filters
    bases = op.bases if isinstance(op, BinaryConv | BinaryLinear) else 1
    plain = np.ascontiguousarray(weights)
    return plain.view(np.uint8).reshape(bases, filters, -1)


def laid_out(rows: NDArray[np.uint8], tile: Tile, words: int) -> NDArray[np.uint32]:
    """(bases, blocks of filters, filters of a block, words), the filters in the block's order."""
    bases, filters, size = rows.shape
    across = blocks(filters, tile.columns)
    filled = np.zeros((bases, across * tile.columns, 4 * words), np.uint8)
    filled[:, :filters, :size] = rows
    of_block = filled.view("<u4").astype(np.uint32).reshape(bases, across, tile.columns, words)
    return np.ascontiguousarray(of_block[:, :, order(tile)])


def order(tile: Tile) -> Sequence[int]:
    """Which filter of a block lies in each of its rows.

    A thread has 8 neighbours. Counting, it reads row f * groups + its group for filter f of them.
    Tensor cores give a thread two columns of each product: its 8 are those of four products.
    """
    if not tile.product.tensor:
        return [row % tile.groups * 8 + row // tile.groups for row in range(tile.columns)]
    return [
        row // 32 * 32 + row % 8 // 2 * 8 + row // 8 % 4 * 2 + row % 2
        for row in range(tile.columns)
    ]


def ones(rows: NDArray[np.uint8], filters: int) -> NDArray[np.int32]:
    """(bases, filters filled up): how many bits of each are set."""
    counts = np.bitwise_count(rows).sum(-1, dtype=np.int32)
    return np.pad(counts, ((0, 0), (0, filters - counts.shape[1])))
