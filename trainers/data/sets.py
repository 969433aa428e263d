"""The data sets that have names, and how each comes to a train, a selection and a test split.

One's own is named by its place, `package.module:name`: a function from a folder and the name of a
part, "train" or "test", to that `Part`. What is held out and what the mean is, is found here, for
all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from search_spaces import names
from trainers.data.cifar import check_cifar10, check_cifar100, read_cifar10, read_cifar100
from trainers.data.digits import read_digits
from trainers.data.folder import check_folder, read_folder
from trainers.data.idx import check_mnist_like, read_mnist_like
from trainers.data.images import Images, Part, PartName, Reader, Subset, check_labels, digest
from trainers.data.splits import drawn, given, whole

STATISTICS_BYTES = 256 * 2**20  # pixels that mean and deviation are taken from, at most
AT_ONCE_BYTES = 16 * 2**20
LARGEST = 4096  # pixels a side: one image is 48 MiB then
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DataSet:
    """What is learnt from, and what choices are made by. The test split is not in it.

    mean, std   of each channel of the train split, where 0 to 255 count as 0 to 1
    digest      of the images, the classes and who is in which split
    seed        of the split, and `held_out` the share that it was to hold out
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    selection: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    seed: int
    held_out: float


@dataclass(frozen=True, slots=True)
class Source:
    """A row of the table: what the set is, which files it wants, where they come from.

    `check`: raises where there is nothing to test with, told by the names of files alone.
    """

    about: str
    files: str
    origin: str
    read: Reader
    check: Callable[[Path | None], None] | None = None


IDX_FILES = "{train,t10k}-{images-idx3,labels-idx1}-ubyte, with .gz or without"
DATA_SETS = {
    "digits": Source(
        "1,797 written digits, 8x8 grey; a fifth of them to test with",
        "none",
        "scikit-learn has them (E. Alpaydin, C. Kaynak, UCI, 1998; CC BY 4.0)",
        read_digits,
    ),
    "mnist": Source(
        "60,000 and 10,000 written digits, 28x28 grey",
        IDX_FILES,
        "Y. LeCun, C. Cortes, C. Burges, 1998; from a mirror",
        partial(read_mnist_like, "mnist", tuple("0123456789")),
        partial(check_mnist_like, "mnist"),
    ),
    "fashion-mnist": Source(
        "60,000 and 10,000 pieces of clothing, 28x28 grey",
        IDX_FILES,
        "H. Xiao, K. Rasul, R. Vollgraf, 2017, github.com/zalandoresearch/fashion-mnist; MIT",
        partial(read_mnist_like, "fashion-mnist", CLOTHES),
        partial(check_mnist_like, "fashion-mnist"),
    ),
    "cifar10": Source(
        "50,000 and 10,000 photos of 10 classes, 32x32",
        "data_batch_{1..5}.bin and test_batch.bin, or each as a mosaic, .webp and .labels",
        "A. Krizhevsky, 2009, www.cs.toronto.edu/~kriz/cifar.html",
        read_cifar10,
        check_cifar10,
    ),
    "cifar100": Source(
        "50,000 and 10,000 photos of 100 classes, 32x32",
        "train.bin, test.bin, fine_label_names.txt",
        "A. Krizhevsky, 2009, www.cs.toronto.edu/~kriz/cifar.html",
        read_cifar100,
        check_cifar100,
    ),
    "imagefolder": Source(
        "a folder of images, or a .zip of one; imagefolder:64 brings them to 64x64",
        "train/CLASS/IMAGE, and test/CLASS/IMAGE or val/CLASS/IMAGE",
        "you",
        partial(read_folder, None),
        check_folder,
    ),
}


def load(name: str, folder: Path | None = None, *, seed: int = 0, held_out: float = 0.1) -> DataSet:
    """What is there to train with, a share of each class held out. No test file is opened.

    A data set that says itself what to hold out is followed; seed and share then change nothing.
    But where the share is 0, all is there to train with and the selection split is empty.
    """
    part = read_part(name, folder, "train")
    labels = part.images.labels
    if held_out == 0:
        train, selection = whole(labels, part.classes)
    elif part.selection is None:
        train, selection = drawn(labels, part.classes, held_out, seed)
    else:
        train, selection = given(labels, part.classes, part.selection)
    images = Subset(part.images, train)
    mean, std = statistics(images)
    return DataSet(
        name=name,
        classes=part.classes,
        train=images,
        selection=Subset(part.images, selection),
        mean=mean,
        std=std,
        digest=digest(part.digest.encode(), train, selection),
        seed=seed,
        held_out=held_out,
    )


def load_test(name: str, folder: Path | None = None) -> Part:
    """The test split: for the last evaluation, and nothing else."""
    return read_part(name, folder, "test")


def check_test(name: str, folder: Path | None = None) -> None:
    """An error where a test split is not there or not of the same classes: better before a training
    than behind it.

    Only names of files and folders are looked at. Of a data set of one's own nothing is known
    before it is read, and the test split is read once, at the end.
    """
    base, colon, _ = name.partition(":")
    if colon and base != "imagefolder":
        return
    source = DATA_SETS.get(base)
    if source is not None and source.check is not None:
        source.check(folder)


def find_reader(name: str) -> Reader:
    base, colon, size = name.partition(":")
    if name in DATA_SETS:
        return DATA_SETS[name].read
    if base == "imagefolder":
        if not size.isdecimal() or not 1 <= int(size) <= LARGEST:
            raise ValueError(
                f"{name!r}: a number of pixels is wanted, as in imagefolder:64, up to {LARGEST}"
            )
        return partial(read_folder, int(size))
    if not colon:
        raise names.unknown("data set", name, DATA_SETS)
    if base in DATA_SETS:
        raise ValueError(f"{base} takes no size; got {name!r}")
    found = names.load(name)
    if not callable(found):
        raise ValueError(
            f"{name!r} is a function from a folder and a part; got {type(found).__name__}"
        )
    reader: Callable[..., Part] = found
    return reader


def statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, from 0 to 1.

    Exact up to 256 MiB of pixels; of more, as many images as that, evenly spread.
    """
    *_, channels = images.shape
    size = math.prod(images.shape)
    count = min(len(images), max(1, STATISTICS_BYTES // size))
    step = max(1, AT_ONCE_BYTES // size)
    chosen = np.arange(count) * len(images) // count
    seen = np.zeros((channels, 256), np.int64)
    for start in range(0, count, step):
        pixels = images.take(chosen[start : start + step])
        for channel in range(channels):
            seen[channel] += np.bincount(pixels[..., channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    share = seen / seen.sum(axis=1, keepdims=True)
    mean = share @ levels
    std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1))
    if not std.all():
        raise ValueError(
            f"channel {np.flatnonzero(std == 0)[0]} is the same in every pixel of the train split"
        )
    return tuple(mean.tolist()), tuple(std.tolist())


def read_part(name: str, folder: Path | None, part: PartName) -> Part:
    """A part as it lies there, if its labels and classes are such that one can learn from it."""
    found = find_reader(name)(folder, part)
    if not isinstance(found, Part):
        raise ValueError(f"{name!r} is to give a Part; it gave {type(found).__name__}")
    if len(found.images) == 0:
        raise ValueError(f"{name}: there is no image in the {part} part")
    if len(found.classes) < 2:
        wrong = "" if folder is None else f"; is a folder in {folder} one level wrong?"
        raise ValueError(
            f"{name}: two classes or more are wanted; the {part} part has only "
            f"{', '.join(found.classes) or 'images'}{wrong}"
        )
    labels, count = np.asarray(found.images.labels), len(found.images)
    try:
        check_labels(labels, len(found.classes))
    except ValueError as error:
        raise ValueError(f"{name}, the {part} part: {error}") from error
    if labels.shape != (count,):
        raise ValueError(f"{name}, the {part} part: {labels.size} labels of {count} images")
    if labels is found.images.labels and labels.dtype == np.int64:
        return found
    return replace(found, images=Subset(found.images, np.arange(count)))
