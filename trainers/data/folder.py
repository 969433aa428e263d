"""Any folder of images: train/CLASS/IMAGE, and test/CLASS/IMAGE or, without it, val/CLASS/IMAGE.

The folder may be a .zip, read where it lies. Images are listed at once and decoded when taken, so
they need not fit in memory.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainers.data.images import Indices, Labels, Part, PartName, Pixels, digest
from trainers.data.tree import Tree, open_tree

ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TO_TEST = ("test", "val")  # the first that is there
THREADS = min(os.cpu_count() or 1, 16)
CHUNK = 8  # images that a thread works on before it asks for more
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Streamed:
    """Images decoded when they are taken, all brought to one size.

    The shorter side is made to fit and the middle is kept. Grey images become RGB, what is
    transparent loses its transparency, and a photo is turned as its camera says.
    """

    tree: Tree
    files: tuple[str, ...]
    labels: Labels
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, 3

    def __len__(self) -> int:
        return len(self.files)

    def take(self, indices: Indices) -> Pixels:
        out = np.empty((len(indices), *self.shape), np.uint8)

        def fill(start: int) -> None:
            for place in range(start, min(start + CHUNK, len(out))):
                out[place] = self._decoded(self.files[indices[place]])

        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(fill, range(0, len(out), CHUNK)):
                pass  # an error comes out here, that of the first broken image
        return out

    def _decoded(self, file: str) -> Pixels:
        size = (self.width, self.height)

        def fitted(image: Image.Image) -> Pixels:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"8 bits a channel are wanted; got mode {image.mode}")
            rgb = ImageOps.exif_transpose(image).convert("RGB")
            if rgb.size != size:
                rgb = ImageOps.fit(rgb, size, Image.Resampling.BILINEAR)
            return np.asarray(rgb)

        return _opened(self.tree, file, fitted)


def read_folder(size: int | None, folder: Path | None, part: PartName) -> Part:
    """`size`: pixels a side. None: that of the first training image, for both parts.

    The digest is of all that is in the files, as images of one size often have one length. In a
    .zip their checksums lie ready; in a folder every file is read for them, which is little beside
    decoding. Measured on two cores: 0.1 s for 5,000 images of 64x64, of 2.4 s that loading them
    takes; 100,000 photos of 110 kB take 10 s from memory, 20 to 30 s from the disk.
    """
    tree = _tree(folder)
    classes, train = _listed(tree, "train")
    found = train if part == "train" else _listed_to_test(tree, classes)
    files = tuple(file for names in found for file in names)
    labels = np.repeat(np.arange(len(classes)), [len(names) for names in found])
    width, height = (size, size) if size else _opened(tree, train[0][0], _turned_size)
    listing = "\n".join(map("{}\t{}".format, files, _checksums(tree, files)))
    return Part(
        images=Streamed(tree, files, labels, height, width),
        classes=classes,
        digest=digest(repr((height, width, classes)).encode(), listing.encode()),
    )


def check_folder(folder: Path | None) -> None:
    """An error where there is nothing to test with, or other classes. No image is opened."""
    tree = _tree(folder)
    classes, _ = _listed(tree, "train")
    _listed_to_test(tree, classes)


def _tree(folder: Path | None) -> Tree:
    if folder is None:
        raise ValueError(
            "imagefolder is read from files: name the folder they are in, or the .zip: "
            "--data-dir DIR"
        )
    return open_tree(folder)


def _listed_to_test(tree: Tree, classes: tuple[str, ...]) -> list[list[str]]:
    there = [name for name in TO_TEST if tree.folders(name)]
    if not there:
        raise FileNotFoundError(f"{tree}: has neither test/CLASS/ nor val/CLASS/ to test with")
    other, found = _listed(tree, there[0])
    if other != classes:
        differ = ", ".join(sorted(set(other) ^ set(classes)))
        raise ValueError(
            f"{tree}: train/ and {there[0]}/ have the same classes; only one has {differ}"
        )
    return found


def _checksums(tree: Tree, files: Sequence[str]) -> list[str]:
    def some(start: int) -> list[str]:
        return [tree.checksum(file) for file in files[start : start + CHUNK]]

    with ThreadPoolExecutor(THREADS) as pool:  # where files lie far away, waiting is most of it
        every = pool.map(some, range(0, len(files), CHUNK))
        return [checksum for found in every for checksum in found]


def _listed(tree: Tree, part: str) -> tuple[tuple[str, ...], list[list[str]]]:
    """The classes in order, and the images of each."""
    classes = tree.folders(part)
    if not classes:
        raise FileNotFoundError(f"{tree}: wants a folder {part}/ with a folder for each class")
    found = []
    for name in classes:
        files = [
            file
            for file in tree.files(f"{part}/{name}")
            if PurePosixPath(file).suffix.lower() in ENDINGS
        ]
        if not files:
            raise ValueError(
                f"{tree}: {part}/{name}/ has no image; one ends in {', '.join(ENDINGS)}"
            )
        found.append(files)
    return tuple(classes), found


def _opened(tree: Tree, file: str, use: Callable[[Image.Image], T]) -> T:
    data = tree.read(file)
    try:
        with Image.open(io.BytesIO(data)) as image:
            return use(image)
    except UnidentifiedImageError as error:  # its own words are of a buffer in memory
        raise ValueError(
            f"{tree.place(file)}: cannot be read as an image: Pillow knows no format like it"
        ) from error
    except Exception as error:  # a broken file can make a decoder raise nearly anything
        raise ValueError(f"{tree.place(file)}: cannot be read as an image: {error}") from error


def _turned_size(image: Image.Image) -> tuple[int, int]:
    return ImageOps.exif_transpose(image).size
