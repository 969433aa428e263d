"""Data sets by name: their splits, what is said of them, and one's own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from trainers.data.images import Whole
from trainers.data.sets import DATA_SETS, check_test, load, load_test, statistics

ALL = np.arange(2000)


def taken(images: object) -> set[bytes]:
    rows = images.take(ALL[: len(images)])  # type: ignore[attr-defined]
    return {row.tobytes() for row in rows}


def test_no_torch_is_imported_by_reading_a_data_set() -> None:
    code = """
        import sys
        import trainers.data.__main__, trainers.data.fetch
        from trainers.data.sets import load, load_test
        load("digits"), load_test("digits")
        sys.exit("torch" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 0


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, trainers.data.sets; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_digits_are_in_three_splits_that_share_no_image() -> None:
    data, test = load("digits"), load_test("digits")
    assert data.train.shape == test.images.shape == (8, 8, 1)
    assert len(data.train) + len(data.selection) + len(test.images) == 1797
    parts = [taken(images) for images in (data.train, data.selection, test.images)]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    for images in (data.train, data.selection, test.images):
        assert set(images.labels.tolist()) == set(range(10))
    assert 0.19 < len(test.images) / 1797 < 0.21
    assert {0, 255} <= set(np.unique(data.train.take(ALL[:100])).tolist())


def test_the_seed_moves_the_selection_and_never_the_test_split() -> None:
    one, other = load("digits", seed=1), load("digits", seed=2)
    assert taken(one.selection) != taken(other.selection)
    everything = taken(one.train) | taken(one.selection)
    assert everything == taken(other.train) | taken(other.selection)
    assert one.digest == load("digits", seed=1).digest != other.digest
    assert load_test("digits").digest == load_test("digits").digest


def test_the_share_held_out_is_the_callers() -> None:
    few, many = load("digits", held_out=0.05), load("digits", held_out=0.5)
    assert len(few.selection) < 90
    assert 700 < len(many.selection) < 740
    assert few.digest != many.digest


def test_mean_and_deviation_are_those_of_the_train_split() -> None:
    data = load("digits")
    pixels = data.train.take(ALL[: len(data.train)]) / 255
    np.testing.assert_allclose(data.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(data.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_channels_have_means_of_their_own() -> None:
    pixels = np.random.default_rng(0).integers(0, [256, 100, 10], (70, 300, 300, 3), np.uint8)
    mean, std = statistics(Whole(pixels, np.zeros(70, np.int64)))
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 1, 2)) / 255, rtol=1e-9)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 1, 2)) / 255, rtol=1e-9)


class Growing:
    """Image n is all n: more of them than are looked at. Counts what is asked for."""

    shape = (2048, 2048, 1)
    labels = np.zeros(200, np.int64)
    asked = 0

    def __len__(self) -> int:
        return 200

    def take(self, indices: np.ndarray) -> np.ndarray:
        self.asked += len(indices)
        return np.broadcast_to(
            indices.astype(np.uint8)[:, None, None, None], (len(indices), 64, 64, 1)
        )


def test_of_very_many_images_an_even_spread_is_looked_at() -> None:
    images = Growing()
    (mean,), _ = statistics(images)
    assert images.asked == 64  # 256 MiB of them
    assert abs(mean * 255 - 99.5) < 2


def test_a_channel_that_says_nothing_is_refused() -> None:
    pixels = np.zeros((4, 2, 2, 2), np.uint8)
    pixels[0, 0, 0, 0] = 1
    with pytest.raises(ValueError, match="channel 1 is the same in every pixel"):
        statistics(Whole(pixels, np.zeros(4, np.int64)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion-mist", "data set 'fashion-mist' is not one of .*; did you mean 'fashion-mnist'"),
        ("imagefolder:big", "a number of pixels is wanted, as in imagefolder:64"),
        ("imagefolder:0", "a number of pixels is wanted"),
        ("imagefolder:", "a number of pixels is wanted"),
        ("imagefolder:4097", "a number of pixels is wanted, as in imagefolder:64, up to 4096"),
        ("imagefolder:100000", "a number of pixels is wanted, .* up to 4096"),
        ("digits:8", "digits takes no size; got 'digits:8'"),
        ("nowhere:read", "no module is called 'nowhere'"),
        ("trainers.data.sets:laod", "name 'laod' is not one of .*; did you mean 'load'"),
        ("trainers.data.sets:CLOTHES", "is a function from a folder and a part; got tuple"),
        ("builtins:print", "'builtins:print' is to give a Part; it gave NoneType"),
    ],
)
def test_a_name_that_is_none_is_told_the_nearest(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(name, tmp_path)


def test_every_set_says_what_it_is_and_wants() -> None:
    assert next(iter(DATA_SETS)) == "digits"  # the one that needs nothing comes first
    for source in DATA_SETS.values():
        assert source.about
        assert source.files
        assert source.origin


OWN = """
import numpy as np
from trainers.data.images import Part, in_memory

def read(folder, part, held=None):
    pixels = np.random.default_rng(len(part)).integers(0, 256, (20, 4, 4, 2), np.uint8)
    return in_memory(pixels, np.arange(20) % 2, ("odd", "even"), held)

def by_itself(folder, part):
    return read(folder, part, np.array([4, 7, 9]))

class Streamed:
    shape = (4, 4, 1)

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return 20

    def take(self, indices):
        return np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), np.uint8)[indices]

def streamed(labels):
    return Part(images=Streamed(labels), classes=("odd", "even"), digest="mine")

def int32(folder, part):
    return streamed((np.arange(20) % 2).astype(np.int32))

def listed(folder, part):
    return streamed([0, 1] * 10)

def floats(folder, part):
    return streamed(np.arange(20) % 2 / 1.0)

def above(folder, part):
    return streamed(np.arange(20) % 3)

def below(folder, part):
    return streamed(np.arange(20) % 2 - 1)

def short(folder, part):
    return streamed(np.arange(19) % 2)

def alone(folder, part):
    return in_memory(np.arange(20, dtype=np.uint8).reshape(20, 1, 1), np.zeros(20, int), ("a",))

def untold(folder, part):
    raise AssertionError("a test split of one's own is read once")

def nothing(folder, part):
    return in_memory(np.zeros((0, 4, 4, 1), np.uint8), np.zeros(0, np.int64), ("a",))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_data_set.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_data_set", raising=False)
    return "own_data_set"


def test_ones_own_is_split_like_all_others(own: str) -> None:
    data, test = load(f"{own}:read"), load_test(f"{own}:read")
    assert (data.name, data.classes) == ("own_data_set:read", ("odd", "even"))
    assert (len(data.train), len(data.selection), len(test.images)) == (18, 2, 20)
    assert data.selection.labels.tolist() in ([0, 1], [1, 0])
    assert len(data.mean) == 2
    assert not taken(data.train) & taken(data.selection)


def test_ones_own_may_say_what_is_held_out(own: str) -> None:
    data = load(f"{own}:by_itself", seed=5)
    every = load_test(f"{own}:read").images  # to see that the same generator was not used
    assert data.selection.labels.tolist() == [0, 1, 1]
    assert len(data.train) == 17
    assert taken(data.train).isdisjoint(taken(every))
    assert data.digest == load(f"{own}:by_itself", seed=6, held_out=0.4).digest


def test_no_image_at_all_is_an_error(own: str) -> None:
    with pytest.raises(ValueError, match="no image in the test part"):
        load_test(f"{own}:nothing")


def test_one_class_alone_is_refused_of_ones_own_too(own: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"two classes or more are wanted; .* has only a$"):
        load(f"{own}:alone")
    with pytest.raises(ValueError, match=f"is a folder in {tmp_path} one level wrong"):
        load(f"{own}:alone", tmp_path)


def test_of_ones_own_and_of_digits_nothing_is_said_of_the_test_split(own: str) -> None:
    check_test(f"{own}:untold")
    check_test("digits")


@pytest.mark.parametrize(
    ("name", "there", "lacks"),
    [
        ("mnist", ["t10k-images-idx3-ubyte"], "t10k-labels-idx1-ubyte.gz"),
        ("fashion-mnist", ["t10k-labels-idx1-ubyte"], "t10k-images-idx3-ubyte.gz"),
        ("cifar10", ["data_batch_1.bin"], "test_batch.bin"),
        ("cifar10", ["test_batch.webp"], "test_batch.labels"),
        ("cifar100", ["fine_label_names.txt", "train.bin"], "test.bin"),
    ],
)
def test_missing_files_to_test_with_are_told_by_their_names(
    tmp_path: Path, name: str, there: list[str], lacks: str
) -> None:
    (tmp_path / name).mkdir()
    for file in there:
        (tmp_path / name / file).touch()
    with pytest.raises(FileNotFoundError, match=f"{name} wants {lacks} in "):
        check_test(name, tmp_path)
    (tmp_path / name / lacks).touch()
    check_test(name, tmp_path)  # empty ones would be an error if they were opened


@pytest.mark.parametrize("kind", ["int32", "listed"])
def test_labels_of_images_of_ones_own_are_any_whole_numbers(own: str, kind: str) -> None:
    data, test = load(f"{own}:{kind}"), load_test(f"{own}:{kind}")
    for images in (data.train, data.selection, test.images):
        assert images.labels.dtype == np.int64
        assert len(images.take(np.arange(len(images)))) == len(images) == len(images.labels)
    assert test.images.labels.tolist() == [0, 1] * 10


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("floats", "labels are whole numbers; got float64"),
        ("above", "a label is 0 to 1; found 2"),
        ("below", "a label is 0 to 1; found -1"),
        ("short", "19 labels of 20 images"),
    ],
)
def test_labels_that_no_class_has_are_refused_in_every_part(own: str, kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"own_data_set:{kind}, the train part: {said}"):
        load(f"{own}:{kind}")
    with pytest.raises(ValueError, match=f"own_data_set:{kind}, the test part: {said}"):
        load_test(f"{own}:{kind}")
