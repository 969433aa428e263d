"""CIFAR in its binary form and as mosaics: the same images, and nothing half-read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainers.data.cifar import read_binary, read_cifar10, read_cifar100, read_mosaic
from trainers.data.sets import load, load_test


def records(count: int, limits: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    """Labels that run through their classes, then noise."""
    rng = np.random.default_rng(seed)
    labels = [np.arange(count) % limit for limit in limits]
    pixels = rng.integers(0, 256, (count, 3072))
    return np.column_stack([*labels, pixels]).astype(np.uint8)


def mosaic(folder: Path, name: str, batch: NDArray[np.uint8]) -> None:
    """As the files of the set are written: 20 images to a row."""
    folder.mkdir(exist_ok=True)
    batch[:, 0].tofile(folder / f"{name}.labels")
    tiles = batch[:, 1:].reshape(500, 20, 3, 32, 32)
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(16000, 640, 3)
    Image.fromarray(sheet).save(folder / f"{name}.webp", lossless=True, method=0, quality=0)


def flat_batch() -> NDArray[np.uint8]:
    """10,000 images of one colour each, which are quick to pack."""
    batch = np.empty((10_000, 3073), np.uint8)
    numbers = np.arange(10_000)
    batch[:, 0] = numbers % 10
    for plane, values in enumerate((numbers % 251, numbers // 40, numbers % 7)):
        batch[:, 1 + 1024 * plane : 1025 + 1024 * plane] = values[:, None]
    return batch


def test_planes_become_channels_and_the_last_label_counts(tmp_path: Path) -> None:
    batch = records(3, (20, 100))
    batch[1, :2] = 19, 99
    batch.tofile(tmp_path / "x.bin")
    pixels, labels = read_binary(tmp_path / "x.bin", 3, (20, 100))
    assert labels.tolist() == [0, 99, 2]
    for image, row, column, channel in [(0, 0, 0, 0), (1, 31, 5, 2), (2, 7, 30, 1)]:
        place = 2 + channel * 1024 + row * 32 + column
        assert pixels[image, row, column, channel] == batch[image, place]


@pytest.mark.parametrize("change", [-1, 1, -3074])
def test_a_file_of_another_length_is_refused(tmp_path: Path, change: int) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(5 * 3074 + change))
    message = f"x.bin: 5 images take 15370 bytes; it has {15370 + change}$"
    with pytest.raises(ValueError, match=message):
        read_binary(tmp_path / "x.bin", 5, (20, 100))


@pytest.mark.parametrize(("place", "limit"), [(0, 20), (1, 100)])
def test_a_label_out_of_range_is_refused(tmp_path: Path, place: int, limit: int) -> None:
    batch = records(5, (20, 100))
    batch[3, place] = limit
    batch.tofile(tmp_path / "x.bin")
    with pytest.raises(ValueError, match=f"a label is 0 to {limit - 1}; image 3 has {limit}"):
        read_binary(tmp_path / "x.bin", 5, (20, 100))


def test_batches_are_read_in_their_order_and_the_test_batch_apart(tmp_path: Path) -> None:
    batch = flat_batch()
    for n in range(1, 6):
        batch[0, 1] = n  # the first red value of each batch tells which it is
        batch.tofile(tmp_path / f"data_batch_{n}.bin")
    images = read_cifar10(tmp_path, "train").images
    assert images.take(np.arange(0, 50_000, 10_000))[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert images.labels[:12].tolist() == [*range(10), 0, 1]
    with pytest.raises(FileNotFoundError, match=r"cifar10 wants test_batch\.bin in"):
        load_test("cifar10", tmp_path)
    os.link(tmp_path / "data_batch_5.bin", tmp_path / "test_batch.bin")
    assert len(load_test("cifar10", tmp_path).images) == 10_000
    for file in tmp_path.iterdir():
        file.unlink()  # 150 MB


@pytest.mark.parametrize("form", ["bin", "webp"])
def test_some_of_the_batches_are_not_enough(tmp_path: Path, form: str) -> None:
    home = tmp_path / "cifar10"
    home.mkdir()
    for n in (1, 3, 5):
        for end in (form, "labels"):
            (home / f"data_batch_{n}.{end}").touch()
    lacking = f"data_batch_2.{form}.*data_batch_4.{form}.* in {home}; to fetch it: .*{tmp_path}$"
    with pytest.raises(FileNotFoundError, match=lacking):
        load("cifar10", tmp_path)


def test_a_mosaic_without_its_labels_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "test_batch.webp").touch()
    with pytest.raises(FileNotFoundError, match=r"cifar10 wants test_batch\.labels in"):
        load_test("cifar10", tmp_path)


def test_an_empty_folder_is_told_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"wants data_batch_1\.bin, .*batch_5\.bin in"):
        load("cifar10", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"wants train\.bin, fine_label_names\.txt in"):
        load("cifar100", tmp_path)


def test_a_mosaic_is_what_the_binary_form_is(tmp_path: Path) -> None:
    batch = flat_batch()
    batch[4321, 1 + 1024 + 5 * 32 + 7] = 200  # green, row 5, column 7
    mosaic(tmp_path / "mosaic", "test_batch", batch)
    (tmp_path / "binary").mkdir()
    batch.tofile(tmp_path / "binary" / "test_batch.bin")
    one, other = (load_test("cifar10", tmp_path / form) for form in ("mosaic", "binary"))
    assert one.images.take(np.array([4321]))[0, 5, 7, 1] == 200
    assert one.digest == other.digest
    np.testing.assert_array_equal(one.images.labels, other.images.labels)

    file = tmp_path / "mosaic" / "test_batch.webp"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"test_batch\.webp: not a whole WebP image"):
        read_mosaic(file)
    Image.new("RGB", (640, 32)).save(file)
    with pytest.raises(ValueError, match="640 x 16000 pixels are wanted; got 640 x 32"):
        read_mosaic(file)
    file.with_suffix(".labels").write_bytes(bytes(9_999))
    with pytest.raises(ValueError, match="10000 labels are wanted; it has 9999"):
        read_mosaic(file)
    file.with_suffix(".labels").write_bytes(bytes(9_999) + b"\x0a")
    with pytest.raises(ValueError, match="a label is 0 to 9; image 9999 has 10"):
        read_mosaic(file)


def test_cifar100_has_the_fine_labels_and_their_names(tmp_path: Path) -> None:
    records(10_000, (20, 100)).tofile(tmp_path / "test.bin")
    names = [f"name_{n}" for n in range(100)]
    (tmp_path / "fine_label_names.txt").write_text("\n".join(names) + "\n")
    part = read_cifar100(tmp_path, "test")
    assert part.classes == tuple(names)
    assert part.images.labels[:101].tolist() == [*range(100), 0]
    for wrong in (names[:99], [*names[:99], "name_0"]):
        (tmp_path / "fine_label_names.txt").write_text("\n".join(wrong))
        with pytest.raises(ValueError, match="100 different names are wanted; got"):
            read_cifar100(tmp_path, "test")
