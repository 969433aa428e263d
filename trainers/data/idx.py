"""MNIST and its kin: idx files, gzipped or not.

A file is two zero bytes, a type (8: unsigned bytes), how many dimensions, each as four bytes with
the highest first, then the values and nothing else.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from trainers.data.files import home, missing
from trainers.data.images import Part, PartName, Pixels, in_memory

BYTES = 8
GZIP = b"\x1f\x8b"
STEMS = {"train": "train", "test": "t10k"}
SIDE = 28


def read_mnist_like(
    name: str, classes: tuple[str, ...], folder: Path | None, part: PartName
) -> Part:
    images_file, labels_file = _files(name, folder, part)
    pixels, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if pixels.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"{images_file}: {SIDE} x {SIDE} pixels are wanted; got {pixels.shape}")
    if len(pixels) != len(labels):
        raise ValueError(f"{images_file} has {len(pixels)} images, {labels_file} {len(labels)}")
    try:
        return in_memory(pixels, labels, classes)
    except ValueError as error:
        raise ValueError(f"{labels_file}: {error}") from error


def check_mnist_like(name: str, folder: Path | None) -> None:
    """An error where a file to test with is missing. None is opened."""
    _files(name, folder, "test")


def read_idx(file: Path, dimensions: int) -> Pixels:
    """The bytes of a file that is whole and has nothing behind it."""
    data = _unpacked(file)
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ValueError(f"{file}: an idx file of {start} bytes or more; got {len(data)}")
    zeros, kind, count = struct.unpack_from(">HBB", data)
    if zeros != 0 or kind != BYTES or count != dimensions:
        raise ValueError(
            f"{file}: an idx file of bytes in {dimensions} dimensions begins "
            f"{struct.pack('>HBB', 0, BYTES, dimensions).hex()}; this one {data[:4].hex()}"
        )
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    if len(data) != start + math.prod(shape):
        raise ValueError(
            f"{file}: its first bytes tell of {start + math.prod(shape)} bytes; it has {len(data)}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _unpacked(file: Path) -> bytes:
    data = file.read_bytes()
    if not data.startswith(GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{file}: not a whole gzip file: {error}") from error


def _files(name: str, folder: Path | None, part: PartName) -> tuple[Path, Path]:
    """Of the images, and of their labels."""
    folder, stem = home(name, folder), STEMS[part]
    images = _there(name, folder, f"{stem}-images-idx3-ubyte")
    return images, _there(name, folder, f"{stem}-labels-idx1-ubyte")


def _there(name: str, folder: Path, stem: str) -> Path:
    for file in (folder / stem, folder / f"{stem}.gz"):
        if file.exists():
            return file
    raise missing(name, folder, [f"{stem}.gz"])
