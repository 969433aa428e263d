"""The file `model.bnn`: a packed network, and what made it.

It is a safetensors file: eight bytes that say how long the header is (little-endian), the header in
JSON, the data. Parameters are tensors named `node/parameter`, those of float32 first, so that each
is aligned to its numbers; the program itself is JSON text in the header's metadata, under "bnn".
Equal programs give equal bytes.

Nothing in a file is believed. The header is checked whole before any of the data is read, and two
checksums tell which part was altered. The data is read and not mapped: a mapped file that shrinks
would kill who reads it.
"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kernels import files, header, memory
from kernels.about import About
from kernels.bits import bytes_for
from kernels.header import Contents, ModelError
from kernels.ops import BinaryConv, BinaryLinear, Op, Pool, RealConv, Resize, Skip, Stem
from kernels.parameters import Array, Wanted
from kernels.program import Node, Program
from kernels.program_data import Outline

__all__ = [
    *("About", "Contents", "ModelError"),
    *("describe", "load", "needed_bytes", "peak_bytes", "save"),
]

MOST_HEADER = 16 << 20  # bytes; a node takes about 1,000
MOST_BYTES = 4 << 30


def save(program: Program, path: Path, about: About) -> None:
    """Only what `load` would take, given the memory, is written."""
    try:
        file = _packed(program, about)
        _unpacked(io.BytesIO(file), len(file), None)
    except ValueError as wrong:
        raise ModelError(f"{path} is not written: {wrong}") from wrong
    files.replace_bytes(path, file)


def load(path: Path, *, most_bytes: int = MOST_BYTES) -> tuple[Program, About]:
    """The program, with parameters that cannot be written to.

    One that takes more than `most_bytes` to run, for one image, is an error.
    """
    with _opened(path) as (file, size):
        return _unpacked(file, size, most_bytes)


def describe(path: Path) -> Contents:
    """What the header says, checked as in `load`. The data is not read: it may be altered."""
    with _opened(path) as (file, size):
        return _head(file, size)[0]


def needed_bytes(outline: Outline) -> int:
    """What running takes at most, about, for one image: values, a padded copy, tables of kernels.

    The copy is of one convolution at a time; tables are of all ops, also of those that wait.
    """
    ops = [node.op for node in outline.nodes]
    return peak_bytes(outline) + max(map(_padded, ops)) + sum(map(_tables, ops))


def peak_bytes(outline: Outline) -> int:
    """Of the values that are alive at once, for one image."""
    alive = memory.lives(outline.values, outline.nodes, outline.output)
    return memory.peak(alive, len(outline.nodes))


def _tables(op: Op) -> int:
    """Where in the image the window of a pixel begins, and where its numbers go.

    A real convolution knows that of a band (`kMostPixels`), others of their rows and columns.
    """
    match op:
        case BinaryConv():
            return 12 * op.out_height * op.out_width
        case RealConv():
            return 8 * max(op.out_width, min(op.out_height * op.out_width, 4096))
        case Stem() | Pool() | Skip() | Resize():
            return 16 * (op.out_height + op.out_width)
        case _:
            return 0


def _padded(op: Op) -> int:
    if isinstance(op, Stem):  # the rows that it pools
        return min(op.pool, op.out_height) * op.out_width * op.filters * 4
    if not isinstance(op, BinaryConv | RealConv):
        return 0
    # A kernel may store each sign as a byte.
    pixel = 8 * bytes_for(op.channels) if isinstance(op, BinaryConv) else 4 * op.channels
    return op.inputs * (op.height + 2 * op.padding) * (op.width + 2 * op.padding) * pixel


def _packed(program: Program, about: About) -> bytes:
    arrays = {
        f"{n}/{name}": array
        for n, given in enumerate(program.parameters)
        for name, array in given.items()
    }
    placed = header.tensors(program.nodes, arrays)
    data = b"".join(arrays[name].tobytes() for name in placed)
    return header.write(program, about, placed, hashlib.sha256(data).hexdigest()) + data


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its size; errors inside become those that name it."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such packed file")
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for who writes it
            raise ValueError("it is not a file")
        with path.open("rb") as file:
            yield file, file.seek(0, io.SEEK_END)
    except ModelError as wrong:
        raise ModelError(f"{path} {wrong}") from wrong
    except ValueError as wrong:
        raise ModelError(f"{path} is no model: {wrong}") from wrong


def _unpacked(file: BinaryIO, size: int, most_bytes: int | None) -> tuple[Program, About]:
    (outline, about, placed), begin, data_sum = _head(file, size)
    needs = needed_bytes(outline)
    if most_bytes is not None and needs > most_bytes:
        raise ModelError(f"takes {needs} bytes to run, for one image; {most_bytes} are the most")
    data = _read(file, begin, size - begin, size)
    if hashlib.sha256(data).hexdigest() != data_sum:
        raise ModelError("is altered: its data is not what was written")
    given = _arrays(outline.nodes, placed, data)
    return Program(outline.values, outline.nodes, given, outline.output, outline.normal), about


def _head(file: BinaryIO, size: int) -> tuple[Contents, int, str]:
    """The contents, where the data begins, and its checksum."""
    length = int.from_bytes(_read(file, 0, 8, size), "little")
    if length > MOST_HEADER:
        raise ValueError(f"it begins with a header of {length} bytes; {MOST_HEADER} are the most")
    contents, data_sum = header.read(_read(file, 0, 8 + length, size))
    whole = 8 + length + contents.bytes
    if size < whole:
        raise ModelError(f"ends after {size} of {whole} bytes")
    if size > whole:
        raise ValueError(f"{size - whole} bytes follow its end")
    return contents, 8 + length, data_sum


def _read(file: BinaryIO, begin: int, count: int, size: int) -> bytes:
    """Never more than the file has."""
    if size < begin + count:
        raise ModelError(f"ends after {size} of {begin + count} bytes")
    file.seek(begin)
    data = file.read(count)
    if len(data) != count:  # it has shrunk
        raise ModelError(f"ends after {begin + len(data)} of {begin + count} bytes")
    return data


def _arrays(
    nodes: Sequence[Node], placed: Mapping[str, Wanted], data: bytes
) -> tuple[dict[str, Array], ...]:
    """For each node, by name, what lies in the data: views that cannot be written to."""
    given: tuple[dict[str, Array], ...] = tuple({} for _ in nodes)
    begin = 0
    for name, want in placed.items():
        dtype = np.dtype(want.dtype)
        array = np.frombuffer(data, dtype, want.bytes // dtype.itemsize, begin).reshape(want.shape)
        node, parameter = name.split("/")
        _check_values(nodes[int(node)].op, name, array)
        given[int(node)][parameter] = array
        begin += want.bytes
    return given


def _check_values(op: Op, name: str, array: Array) -> None:
    if array.dtype == np.float32:
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds a number that is not finite")
        if name.endswith("/mean") and not ((array >= 0) & (array <= 255)).all():
            raise ValueError(f"{name} of pixels is 0 to 255")
        return
    if isinstance(op, Stem):
        return  # any whole numbers are weights
    assert isinstance(op, BinaryConv | BinaryLinear), "only their weights are bits"
    spare = op.channels % 8
    if spare and (array[..., -1] >> spare).any():
        raise ValueError(f"{name} has set bits past the last of {op.channels} channels")
