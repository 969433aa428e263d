"""MNIST and its kin: a whole pair of files is read, anything else is refused by name."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trainers.data.idx import read_idx
from trainers.data.sets import load, load_test


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def written(folder: Path, stem: str, per_class: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (10 * per_class, 28, 28), np.uint8)
    labels = np.tile(np.arange(10, dtype=np.uint8), per_class)
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx(pixels))
    (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return pixels


def test_what_was_written_is_read_gzipped_or_not(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for data in (idx(values), gzip.compress(idx(values))):
        (tmp_path / "x").write_bytes(data)
        np.testing.assert_array_equal(read_idx(tmp_path / "x", 3), values)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, pack: type[bytes]) -> None:
    data, file = pack(idx(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))), tmp_path / "torn"
    for end in range(len(data)):
        file.write_bytes(data[:end])
        with pytest.raises(ValueError, match=f"^{file}: "):
            read_idx(file, 3)


def test_a_byte_too_many_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(idx(np.zeros((2, 3), np.uint8)) + b"\0")
    with pytest.raises(ValueError, match="tell of 18 bytes; it has 19"):
        read_idx(file, 2)


@pytest.mark.parametrize("start", ["00000d03", "00000801", "01000803", "00010803"])
def test_another_type_or_number_of_dimensions_is_refused(tmp_path: Path, start: str) -> None:
    file = tmp_path / "other"
    file.write_bytes(bytes.fromhex(start) + bytes(40))
    with pytest.raises(ValueError, match=f"begins 00000803; this one {start}"):
        read_idx(file, 3)


@pytest.mark.parametrize("place", [10, 20, -6], ids=["header", "values", "checksum"])
def test_a_gzip_file_with_a_flipped_bit_is_refused(tmp_path: Path, place: int) -> None:
    data = bytearray(gzip.compress(idx(np.arange(200, dtype=np.uint8).reshape(2, 100))))
    data[place] ^= 255
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(ValueError, match="bad: not a whole gzip file"):
        read_idx(tmp_path / "bad", 2)


def test_the_splits_are_those_of_the_files(tmp_path: Path) -> None:
    pixels = written(tmp_path / "mnist", "train", 5, seed=0)
    exam = written(tmp_path / "mnist", "t10k", 2, seed=1)
    data = load("mnist", tmp_path, held_out=0.2)
    assert (len(data.train), len(data.selection), data.train.shape) == (40, 10, (28, 28, 1))
    assert data.classes == tuple("0123456789")
    both = np.concatenate([data.train.take(np.arange(40)), data.selection.take(np.arange(10))])
    assert {x.tobytes() for x in both} == {x.tobytes() for x in pixels}
    test = load_test("mnist", tmp_path / "mnist")  # the folder itself will do
    np.testing.assert_array_equal(test.images.take(np.arange(20))[..., 0], exam)
    assert not {x.tobytes() for x in both} & {x.tobytes() for x in exam}


def test_loading_does_not_open_the_test_files(tmp_path: Path) -> None:
    written(tmp_path, "train", 3, seed=0)
    (tmp_path / "t10k-images-idx3-ubyte").mkdir()  # nothing could read this
    assert len(load("fashion-mnist", tmp_path).train) == 20


def test_a_missing_file_is_named_and_how_to_fetch_it(tmp_path: Path) -> None:
    written(tmp_path / "mnist", "train", 3, seed=0)
    with pytest.raises(FileNotFoundError) as error:
        load_test("mnist", tmp_path)
    assert str(error.value) == (
        f"mnist wants t10k-images-idx3-ubyte.gz in {tmp_path / 'mnist'}; to fetch it: "
        f"python -m trainers.data fetch mnist --data-dir {tmp_path}"
    )
    with pytest.raises(FileNotFoundError, match="no/where: no such folder; to fetch it"):
        load("mnist", Path("no/where"))
    with pytest.raises(ValueError, match=r"mnist is read .* --data-dir DIR; .* fetch mnist"):
        load("mnist")


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        ((20, 28, 28), list(range(10)), "has 20 images, .* 10"),
        ((20, 28, 27), list(range(10)) * 2, r"28 x 28 pixels are wanted; got \(20, 28, 27\)"),
        ((20, 28, 28), [*range(10), *range(9), 10], "labels-.*a label is 0 to 9; found 10"),
        ((20, 28, 28), [*range(10), *range(9), 0], "class '9' needs an image"),
        ((0, 28, 28), [], "no image in the train part"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(
    tmp_path: Path, pixels: tuple[int, ...], labels: list[int], message: str
) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros(pixels, np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))
    with pytest.raises(ValueError, match=message):
        load("mnist", tmp_path)
