"""CIFAR-10 and CIFAR-100: the official binary form, or CIFAR-10 as lossless WebP mosaics.

Binary: for each image its labels (CIFAR-100 has a coarse one first), then its 1024 red, 1024 green
and 1024 blue values. Mosaic: NAME.webp shows the 10,000 images of a batch, 20 to a row, in the same
order, and NAME.labels has their labels, a byte each. Either way the same arrays, and one digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from trainers.data.files import home, missing
from trainers.data.images import Part, PartName, Pixels, in_memory

SIDE = 32
PIXELS = 3 * SIDE * SIDE
BATCH = 10_000
COLUMNS = 20
COARSE = 20  # classes
NAMES = "fine_label_names.txt"
BATCHES = {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)}
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def read_cifar10(folder: Path | None, part: PartName) -> Part:
    folder = home("cifar10", folder)
    names = BATCHES[part]
    if _in_mosaics(folder, part):
        with ThreadPoolExecutor(2) as pool:  # a batch takes 0.5 s and, while it lasts, 150 MB
            batches = list(pool.map(lambda name: read_mosaic(folder / f"{name}.webp"), names))
    else:
        limits = (len(CLASSES),)
        batches = [read_binary(folder / f"{name}.bin", BATCH, limits) for name in names]
    pixels, labels = zip(*batches, strict=True)
    return in_memory(np.concatenate(pixels), np.concatenate(labels), CLASSES)


def read_cifar100(folder: Path | None, part: PartName) -> Part:
    folder = home("cifar100", folder)
    _all_there("cifar100", folder, [f"{part}.bin", NAMES])
    classes = tuple((folder / NAMES).read_text().split())
    if len(classes) != 100 or len(set(classes)) != 100:
        raise ValueError(
            f"{folder / NAMES}: 100 different names are wanted; "
            f"got {len(classes)}, {len(set(classes))} of them different"
        )
    count = 5 * BATCH if part == "train" else BATCH
    pixels, labels = read_binary(folder / f"{part}.bin", count, (COARSE, len(classes)))
    return in_memory(pixels, labels, classes)


def check_cifar10(folder: Path | None) -> None:
    """An error where a file to test with is missing. None is opened."""
    _in_mosaics(home("cifar10", folder), "test")


def check_cifar100(folder: Path | None) -> None:
    _all_there("cifar100", home("cifar100", folder), ["test.bin", NAMES])


def read_binary(file: Path, count: int, limits: Sequence[int]) -> tuple[Pixels, Pixels]:
    """The pixels and the last of the labels. `limits`: each label is below its own."""
    wanted = count * (len(limits) + PIXELS)
    if file.stat().st_size != wanted:
        raise ValueError(
            f"{file}: {count} images take {wanted} bytes; it has {file.stat().st_size}"
        )
    records = np.fromfile(file, np.uint8).reshape(count, len(limits) + PIXELS)
    for place, limit in enumerate(limits):
        _in_range(file, records[:, place], limit)
    planes = records[:, len(limits) :].reshape(count, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, len(limits) - 1].copy()


def read_mosaic(file: Path) -> tuple[Pixels, Pixels]:
    labels_file = file.with_suffix(".labels")
    labels = np.fromfile(labels_file, np.uint8)
    if len(labels) != BATCH:
        raise ValueError(f"{labels_file}: {BATCH} labels are wanted; it has {len(labels)}")
    _in_range(labels_file, labels, len(CLASSES))
    rows, size = BATCH // COLUMNS, (COLUMNS * SIDE, BATCH // COLUMNS * SIDE)
    try:
        with Image.open(file) as image:
            if image.size == size:
                tiles = np.asarray(image.convert("RGB")).reshape(rows, SIDE, COLUMNS, SIDE, 3)
                return tiles.transpose(0, 2, 1, 3, 4).reshape(BATCH, SIDE, SIDE, 3), labels
            came = image.size
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{file}: not a whole WebP image: {error}") from error
    raise ValueError(f"{file}: {size[0]} x {size[1]} pixels are wanted; got {came[0]} x {came[1]}")


def _in_mosaics(folder: Path, part: PartName) -> bool:
    """Or else in the binary form. An error where files of it are missing."""
    names = BATCHES[part]
    if any((folder / f"{name}.webp").exists() for name in names) and not any(
        (folder / f"{name}.bin").exists() for name in names
    ):
        _all_there("cifar10", folder, [f"{n}.{end}" for n in names for end in ("webp", "labels")])
        return True
    _all_there("cifar10", folder, [f"{name}.bin" for name in names])
    return False


def _in_range(file: Path, labels: Pixels, limit: int) -> None:
    wrong = np.flatnonzero(labels >= limit)
    if wrong.size:
        raise ValueError(
            f"{file}: a label is 0 to {limit - 1}; image {wrong[0]} has {labels[wrong[0]]}"
        )


def _all_there(name: str, folder: Path, files: Sequence[str]) -> None:
    absent = [file for file in files if not (folder / file).exists()]
    if absent:
        raise missing(name, folder, absent)
