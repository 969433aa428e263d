"""Where the official files of a data set are to be had, and what they must be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to be had, and which files it holds when it is a tar."""

    name: str
    md5: str
    holds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Official:
    base: str
    files: tuple[Remote, ...]


TORONTO = "https://www.cs.toronto.edu/~kriz/"
# The MD5s are those the authors publish; MNIST's are those torchvision checks.
OFFICIAL = {
    "fashion-mnist": Official(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        (
            Remote("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            Remote("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            Remote("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            Remote("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    ),
    "mnist": Official(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            Remote("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            Remote("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            Remote("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            Remote("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    ),
    "cifar10": Official(
        TORONTO,
        (
            Remote(
                "cifar-10-binary.tar.gz",
                "c32a1d4ab5d03f1284b67883e8d87530",
                (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"),
            ),
        ),
    ),
    "cifar100": Official(
        TORONTO,
        (
            Remote(
                "cifar-100-binary.tar.gz",
                "03b5dce01913d631647c71ecec9e9cb8",
                ("train.bin", "test.bin", "fine_label_names.txt"),
            ),
        ),
    ),
}
