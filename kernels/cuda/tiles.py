"""The shapes that a convolution's blocks can have, and a first guess which is the fastest."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

SHARED = 48 * 1024  # bytes that a block may have without asking
CHUNK_BYTES = 32 * 1024  # at most what both stages of a block take, where a field is long
TENSOR_WORDS = 8  # a step of the tensor cores: 256 bits
NATIVE = range(80, 100)  # where tensor cores count bits themselves; above that is emulated


class Product(enum.StrEnum):
    """How signs are multiplied: counted, by tensor cores on bits or on bytes. `FUSED`: floats."""

    POPC = "popc"
    BITS = "bits"
    BYTES = "bytes"
    FUSED = "fused"

    @property
    def tensor(self) -> bool:
        return self in (Product.BITS, Product.BYTES)


class Tile(NamedTuple):
    """A block: its threads, the pixels of each, and the groups of 8 filters that it makes."""

    product: Product
    threads: int
    pixels: int
    groups: int

    @property
    def rows(self) -> int:
        """Pixels of the block."""
        return self.threads // self.groups * self.pixels

    @property
    def columns(self) -> int:
        return 8 * self.groups

    def __str__(self) -> str:
        return f"{self.product} {self.rows}x{self.columns}"


class Steps(NamedTuple):
    """Words: of a field, with what fills it up; of a chunk, of a read, and from row to row."""

    words: int
    chunk: int
    vec: int
    pitch: int


# Threads, pixels, groups.
SCALAR = (
    *((128, 8, 8), (128, 4, 8), (128, 2, 8), (128, 1, 8)),
    *((128, 4, 4), (128, 2, 4), (128, 1, 4), (64, 1, 4)),
    *((128, 4, 2), (128, 1, 2), (128, 4, 1), (128, 1, 1)),
)
TENSOR = ((128, 8, 8), (128, 4, 8), (128, 2, 8), (128, 4, 4), (128, 2, 4), (64, 2, 4), (32, 2, 4))


def products(capability: int, field: int) -> tuple[Product, ...]:
    """Those that a device has for signs, the one first that should be the fastest.

    `field`: bytes that a window takes. A short one leaves the tensor cores' steps mostly empty.
    """
    if capability < min(NATIVE):
        return (Product.POPC,)
    tensor = Product.BITS if capability in NATIVE else Product.BYTES
    short = field < 4 * TENSOR_WORDS
    return (Product.POPC, tensor) if short else (tensor, Product.POPC)


def candidates(
    among: Sequence[Product], filters: int, field: int, pixel_bytes: int
) -> tuple[Tile, ...]:
    """Of each product the tiles that fit a block and the filters, larger ones first."""
    groups = -(-filters // 8)
    most = 1 << (groups - 1).bit_length()
    found = []
    for product in among:
        shapes = TENSOR if product.tensor else SCALAR
        tiles = [Tile(product, *shape) for shape in shapes]
        fit = [tile for tile in tiles if tile.groups <= max(most, 4 if product.tensor else 1)]
        found += sorted(fit, key=lambda tile: -tile.rows * tile.columns)
    return tuple(t for t in found if shared_bytes(t, steps(t, field, pixel_bytes)) <= SHARED)


def guess(among: Sequence[Tile], pixels: int, filters: int, pairs: int, processors: int) -> Tile:
    """Of the first product the largest with a block for each multiprocessor.

    Where none has, the one with the most blocks, and of those the smallest.
    """
    first = [tile for tile in among if tile.product is among[0].product]

    def made(tile: Tile) -> int:
        return -(-pixels // tile.rows) * -(-filters // tile.columns) * pairs

    most = max(first, key=lambda tile: (made(tile), -tile.rows * tile.columns))
    return next((tile for tile in first if made(tile) >= processors), most)


def blocks(tile: Tile, *, summed: bool) -> int:
    """How many must fit a multiprocessor, which bounds the registers of a thread: see `registers`.

    Were that left to the compiler, it would spill a few registers to fit one block more.
    """
    of_128 = {1: 3 if summed else 4, 2: 3, 4: 2, 8: 2}
    return of_128[tile.pixels] * 128 // tile.threads


def registers(tile: Tile, *, summed: bool) -> int:
    """The most that a thread may take: there are 65,536, and a thread has 255 at most."""
    return min(255, 65_536 // (blocks(tile, summed=summed) * tile.threads))


def unit(pixel_bytes: int) -> int:
    """Bytes that are copied at a time. 1: pixels end inside of words, which are put together."""
    return next(size for size in (16, 8, 4, 1) if pixel_bytes % size == 0)


def steps(tile: Tile, field: int, pixel_bytes: int) -> Steps:
    """How a field of so many bytes is cut."""
    least = -(-field // 4)
    if tile.product.tensor:
        vec, step = 2, TENSOR_WORDS
    else:
        vec = 4 if least >= 12 or least % 4 == 0 else min(least, 2)
        step = max(vec, unit(pixel_bytes) // 4)
    words = -(-least // step) * step
    sizes = (words, *(size for size in (64, 32, 16) if size < words and size % step == 0), step)
    chunk = next((c for c in sizes if _stages(tile, words, c, step) <= CHUNK_BYTES), step)
    return Steps(words, chunk, vec, _pitch(chunk, step))


def shared_bytes(tile: Tile, cut: Steps) -> int:
    """What `Shared` of src/conv.cu takes."""
    stages = 1 if cut.chunk >= cut.words else 2
    return 12 * tile.rows + 4 * stages * cut.pitch * (tile.rows + tile.columns)


def _pitch(chunk: int, step: int) -> int:
    """An odd number of steps: so rows that are read together begin in different banks."""
    return (chunk // step | 1) * step


def _stages(tile: Tile, words: int, chunk: int, step: int) -> int:
    return (1 if chunk >= words else 2) * 4 * _pitch(chunk, step) * (tile.rows + tile.columns)
