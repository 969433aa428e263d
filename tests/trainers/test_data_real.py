"""The real files, where they are: BINARY_NAS_DATA, or shared/data beside the repository."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from trainers.data.images import PartName
from trainers.data.sets import find_reader, load_test, statistics

DATA = Path(os.environ.get("BINARY_NAS_DATA", Path(__file__).parents[3] / "shared" / "data"))
PARTS: tuple[PartName, PartName] = ("train", "test")


def folder(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} in {DATA}: set BINARY_NAS_DATA to the folder that has it")
    return DATA


def test_fashion_mnist_is_the_published_one() -> None:
    where = folder("fashion-mnist")
    train, test = (find_reader("fashion-mnist")(where, part).images for part in PARTS)
    (mean,), (std,) = statistics(train)
    assert (round(mean, 4), round(std, 4)) == (0.2860, 0.3530)
    assert [np.bincount(i.labels).tolist() for i in (train, test)] == [[6000] * 10, [1000] * 10]


def test_cifar10_is_the_published_one() -> None:
    where = folder("cifar10")
    if not list((where / "cifar10").glob("*.webp")):
        pytest.skip(f"the mosaics of CIFAR-10 are not in {where}")
    train, test = (find_reader("cifar10")(where, part).images for part in PARTS)
    pixels = test.take(np.arange(10_000)).transpose(0, 3, 1, 2).reshape(10_000, 3072)
    binary = np.concatenate([test.labels.astype(np.uint8)[:, None], pixels], 1).tobytes()
    # of the test batch as its README gives it: 23 of these images are not the official bits
    assert hashlib.md5(binary).hexdigest() == "93c50caff54ea4ec07fd1329bab59d6e"
    mean, _ = statistics(train)
    np.testing.assert_allclose(np.array(mean) * 255, [125.307, 122.950, 113.865], atol=6e-4)
    assert [np.bincount(i.labels).tolist() for i in (train, test)] == [[5000] * 10, [1000] * 10]


def test_tiny_imagenet_is_read_from_its_zip() -> None:
    where = folder("tiny-imagenet-10") / "tiny-imagenet-10"
    test = load_test("imagefolder", where)
    assert test.images.shape == (64, 64, 3)
    assert np.bincount(test.images.labels).tolist() == [50] * 10
    pixels = test.images.take(np.arange(500))
    grey = (pixels == pixels[..., :1]).all(axis=(1, 2, 3))
    assert 0 < np.count_nonzero(grey) < 30  # some were grey, and are RGB now
    assert pixels.std(axis=(1, 2, 3)).min() > 0
