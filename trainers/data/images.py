"""Labelled images, taken in batches. Nobody else needs to know whether they are in memory.

Pixels are uint8, (n, height, width, channels); labels are counted from 0, in the order of the names
of the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
PartName = Literal["train", "test"]


class Images(Protocol):
    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        ...

    @property
    def labels(self) -> Labels: ...

    def __len__(self) -> int: ...

    def take(self, indices: Indices) -> Pixels:
        """The pixels of these, in this order, in an array that is the caller's own."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """Images held as one array, which nobody may write to any more."""

    pixels: Pixels
    labels: Labels

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4:
            raise ValueError(
                f"pixels are uint8, images x height x width x channels; got {_form(self.pixels)}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise ValueError(
                f"labels are int64, one for each of {len(self.pixels)} images; "
                f"got {_form(self.labels)}"
            )
        self.pixels.setflags(write=False)
        self.labels.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self.pixels.shape
        return height, width, channels

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Indices) -> Pixels:
        return self.pixels[indices]


class Subset:
    """Some of the images, under numbers of their own, in the order of `indices`. Labels are int64,
    whatever whole numbers they were."""

    def __init__(self, images: Images, indices: Indices) -> None:
        self.images = images
        self.indices = indices
        self.labels: Labels = np.asarray(images.labels)[indices].astype(np.int64)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.images.shape

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, indices: Indices) -> Pixels:
        return self.images.take(self.indices[indices])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Part:
    """One part of a data set as it lies on disk: what is there to train with, or to test with.

    digest      of what was read; equal parts have equal ones
    selection   which images of a training part to choose by, where the data set says so itself.
                None: they are drawn
    """

    images: Images
    classes: tuple[str, ...]
    digest: str
    selection: Indices | None = None


Reader = Callable[[Path | None, PartName], Part]


def in_memory(
    pixels: NDArray[Any],
    labels: NDArray[Any],
    classes: tuple[str, ...],
    selection: Indices | None = None,
) -> Part:
    """A part held in memory. Grey images may come without their channel."""
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    check_labels(labels, len(classes))
    images = Whole(pixels, labels.astype(np.int64))
    what = repr((pixels.shape, classes)).encode()
    name = digest(what, pixels, images.labels)
    return Part(images=images, classes=classes, digest=name, selection=selection)


def check_labels(labels: NDArray[Any], classes: int) -> None:
    """An error where a label is not the number of a class."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels are whole numbers; got {labels.dtype}")
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise ValueError(f"a label is 0 to {classes - 1}; found {wrong[0]}")


def digest(*pieces: bytes | NDArray[Any]) -> str:
    """A short name for what was read, the same on every machine."""
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece if isinstance(piece, bytes) else np.ascontiguousarray(piece).ravel().data)
    return sha.hexdigest()[:12]


def _form(array: NDArray[Any]) -> str:
    return f"{array.dtype} {' x '.join(map(str, array.shape))}"
