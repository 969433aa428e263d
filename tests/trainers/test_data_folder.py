"""Folders of images: listed without decoding, taken in order, broken ones named."""

from __future__ import annotations

import os
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainers.data.images import Images
from trainers.data.sets import check_test, load, load_test
from trainers.data.tree import Archive, OnDisk

CLASSES = ("ant", "bee", "cow")


def colour(number: int) -> tuple[int, int, int]:
    return (number * 3 % 256, number * 7 % 256, number * 11 % 256)


def image(number: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new("RGB", size, colour(number))


def tree(root: Path, parts: tuple[str, ...] = ("train", "test"), each: int = 10) -> Path:
    """PNGs of one colour, each of its own, under names whose order is that of the colours."""
    number = 0
    for part in parts:
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for n in range(each):
                image(number).save(root / part / name / f"{n:02}.png")
                number += 1
    return root


def zipped(root: Path, file: Path, top: str = "") -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*"), reverse=True):  # not in the order of their names
            archive.write(path, top + path.relative_to(root).as_posix())
    return file


def colours(images: Images) -> list[tuple[int, ...]]:
    return [tuple(pixels[0, 0].tolist()) for pixels in images.take(np.arange(len(images)))]


def test_every_image_is_in_one_split_under_the_name_of_its_folder(tmp_path: Path) -> None:
    data, test = load("imagefolder", tree(tmp_path)), load_test("imagefolder", tmp_path)
    assert data.classes == test.classes == CLASSES
    assert (len(data.train), len(data.selection), data.train.shape) == (27, 3, (8, 8, 3))
    assert sorted(colours(data.train) + colours(data.selection)) == sorted(map(colour, range(30)))
    assert colours(test.images) == [colour(n) for n in range(30, 60)]
    assert test.images.labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    by_label = {colour(n): n // 10 for n in range(30)}
    assert [by_label[c] for c in colours(data.train)] == data.train.labels.tolist()


def test_images_come_in_the_order_asked_for_however_many_threads_decode(tmp_path: Path) -> None:
    images = load_test("imagefolder", tree(tmp_path, each=20)).images
    asked = np.random.default_rng(0).integers(0, 60, 200)
    taken = images.take(asked)
    assert [tuple(pixels[0, 0]) for pixels in taken] == [colour(60 + n) for n in asked]
    assert images.take(np.array([], np.int64)).shape == (0, 8, 8, 3)


@pytest.mark.parametrize("top", ["", "photos/"])
def test_a_zip_is_what_the_folder_is(tmp_path: Path, top: str) -> None:
    root = tree(tmp_path / "mytrain" / "here")
    (root / "train" / "ant" / ".hidden.png").write_text("no image")
    (root / "train" / "ant" / ".cache").mkdir()
    (root / "train" / "ant" / ".cache" / "x.png").write_text("no image")
    (root / "__MACOSX" / "train" / "fly").mkdir(parents=True)
    (root / "__MACOSX" / "train" / "fly" / "x.png").write_text("no image")
    file = zipped(root, tmp_path / "photos.zip", top)
    for place in (file, tmp_path):  # itself, or the folder in which it lies alone
        one, other = load("imagefolder", place), load("imagefolder", root)
        assert one.digest == other.digest
        assert colours(one.train) == colours(other.train)
        assert colours(load_test("imagefolder", place).images)[0] == colour(30)


def test_a_zip_beside_train_is_left_alone(tmp_path: Path) -> None:
    tree(tmp_path, ("train",))
    (tmp_path / "other.zip").write_text("no zip")
    assert len(load("imagefolder", tmp_path).train) == 27


def test_threads_and_forked_processes_may_read_one_zip(tmp_path: Path) -> None:
    images = load("imagefolder", zipped(tree(tmp_path / "x", each=40), tmp_path / "x.zip")).train
    expected = colours(images)
    child = os.fork()
    if child == 0:
        os._exit(any(colours(images) != expected for _ in range(10)))
    wrong: list[int] = []

    def read() -> None:
        wrong.extend(n for n in range(5) if colours(images) != expected)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not wrong


def test_val_is_the_test_split_only_where_there_is_no_test(tmp_path: Path) -> None:
    tree(tmp_path, ("train", "val", "test"))
    assert colours(load_test("imagefolder", tmp_path).images)[0] == colour(60)
    shutil.rmtree(tmp_path / "test")
    assert colours(load_test("imagefolder", tmp_path).images)[0] == colour(30)
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(FileNotFoundError, match="neither test/CLASS/ nor val/CLASS/"):
        load_test("imagefolder", tmp_path)


def test_the_shorter_side_fits_and_the_middle_is_kept(tmp_path: Path) -> None:
    tree(tmp_path)
    wide = Image.new("RGB", (40, 10), "red")
    wide.paste((0, 255, 0), (15, 0, 25, 10))
    wide.save(tmp_path / "test" / "ant" / "00.png")
    wide.rotate(90, expand=True).save(tmp_path / "test" / "ant" / "01.png")
    small = load_test("imagefolder:5", tmp_path).images
    assert small.shape == (5, 5, 3)
    seen = small.take(np.arange(2))  # bilinear: the border has a little of what is beside it
    assert seen[:, 1:-1, 1:-1].reshape(-1, 3).tolist() == [[0, 255, 0]] * 18
    assert seen[..., 1].min() > 200


def test_the_first_training_image_says_the_size_for_both_parts(tmp_path: Path) -> None:
    tree(tmp_path)
    image(0, (6, 4)).save(tmp_path / "train" / "ant" / "00.png")
    assert load("imagefolder", tmp_path).train.shape == (4, 6, 3)
    assert load_test("imagefolder", tmp_path).images.shape == (4, 6, 3)


def test_grey_transparent_and_turned_images_become_rgb_as_seen(tmp_path: Path) -> None:
    tree(tmp_path, ("train",), each=2)
    folder = tmp_path / "test" / "ant"
    for name in CLASSES:
        (tmp_path / "test" / name).mkdir(parents=True)
        image(0).save(tmp_path / "test" / name / "0.png")
    Image.new("L", (8, 8), 100).save(folder / "1.JPEG")
    Image.new("RGBA", (8, 8), (1, 2, 3, 0)).save(folder / "2.png")
    Image.new("P", (8, 8)).save(folder / "3.png")
    turned = Image.new("RGB", (8, 8), "white")
    turned.paste((0, 0, 0), (0, 0, 8, 4))  # black above; to be turned a quarter, so black right
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "4.png", exif=exif)
    taken = load_test("imagefolder", tmp_path).images.take(np.arange(1, 5))
    assert taken[0, 3, 3].tolist() == [100, 100, 100]
    assert taken[1, 3, 3].tolist() == [1, 2, 3]
    assert taken[3, 0, :, 0].tolist() == [255] * 4 + [0] * 4


def test_listing_decodes_nothing_and_a_broken_image_is_named_when_taken(tmp_path: Path) -> None:
    tree(tmp_path)
    file = tmp_path / "test" / "bee" / "03.png"
    file.write_bytes(file.read_bytes()[:40])
    images = load_test("imagefolder", tmp_path).images
    assert len(images) == 30
    assert len(images.take(np.arange(13))) == 13
    with pytest.raises(ValueError, match=f"^{file}: cannot be read as an image: "):
        images.take(np.arange(30))
    file.unlink()
    with pytest.raises(FileNotFoundError, match=str(file)):
        images.take(np.arange(30))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "PPM"])
def test_an_image_cut_short_is_never_half_an_image(tmp_path: Path, kind: str) -> None:
    tree(tmp_path)
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    file = tmp_path / "test" / "ant" / f"00.{kind.lower()}"
    noise.save(file, kind)
    (tmp_path / "test" / "ant" / "00.png").unlink(missing_ok=kind != "PNG")
    noise.save(file, kind)
    data = file.read_bytes()
    images = load_test("imagefolder", tmp_path).images
    assert len(images) == 30
    for end in range(0, len(data) - 16, 7):
        file.write_bytes(data[:end])
        with pytest.raises(ValueError, match=f"{file}: cannot be read as an image"):
            images.take(np.array([0]))


def test_sixteen_bits_a_channel_are_refused_rather_than_cut(tmp_path: Path) -> None:
    tree(tmp_path)
    deep = np.full((8, 8), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "test" / "ant" / "00.png")
    with pytest.raises(ValueError, match=r"00\.png: .*8 bits a channel are wanted; got mode I;16"):
        load_test("imagefolder", tmp_path).images.take(np.array([0]))


def test_a_torn_zip_and_a_flipped_bit_in_one_are_refused(tmp_path: Path) -> None:
    file = zipped(tree(tmp_path / "x"), tmp_path / "x.zip")
    data = bytearray(file.read_bytes())
    (tmp_path / "torn.zip").write_bytes(data[:-50])
    with pytest.raises(ValueError, match=r"torn\.zip: not a whole \.zip"):
        load("imagefolder", tmp_path / "torn.zip")
    with zipfile.ZipFile(file) as archive:
        at = archive.getinfo("test/cow/09.png").header_offset
    data[at + 30 + len("test/cow/09.png") + 20] ^= 255
    (tmp_path / "flipped.zip").write_bytes(data)
    images = load_test("imagefolder", tmp_path / "flipped.zip").images
    with pytest.raises(ValueError, match=r"flipped\.zip: test/cow/09\.png: cannot be unpacked"):
        images.take(np.array([29]))


def test_a_folder_of_another_form_is_told_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="wants a folder train/ with a folder for each"):
        load("imagefolder", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"gone: no such folder or \.zip"):
        load("imagefolder", tmp_path / "gone")
    with pytest.raises(ValueError, match=r"imagefolder is read from files.* --data-dir DIR"):
        load("imagefolder")
    tree(tmp_path)
    (tmp_path / "train" / "dog").mkdir()
    (tmp_path / "train" / "dog" / "boxes.txt").touch()
    with pytest.raises(ValueError, match="train/dog/ has no image; one ends in"):
        load("imagefolder", tmp_path)
    image(0).save(tmp_path / "train" / "dog" / "1.png")
    with pytest.raises(ValueError, match=r"class 'dog' needs .*; got 1"):
        load("imagefolder", tmp_path)
    with pytest.raises(ValueError, match="have the same classes; only one has dog"):
        load_test("imagefolder", tmp_path)


def test_images_may_lie_deeper_in_the_folder_of_their_class(tmp_path: Path) -> None:
    tree(tmp_path, ("train",))
    (tmp_path / "train" / "ant" / "images").mkdir()
    image(200).save(tmp_path / "train" / "ant" / "images" / "a.png")
    data = load("imagefolder", tmp_path)
    assert len(data.train) + len(data.selection) == 31


def test_another_size_or_another_file_is_another_digest(tmp_path: Path) -> None:
    tree(tmp_path)
    digests = {load(name, tmp_path).digest for name in ("imagefolder", "imagefolder:4")}
    assert load("imagefolder:8", tmp_path).digest in digests  # 8 is what they are
    Image.effect_noise((8, 8), 50).save(tmp_path / "train" / "cow" / "09.png")
    digests.add(load("imagefolder", tmp_path).digest)
    assert len(digests) == 3


@pytest.mark.parametrize("kind", ["bmp", "ppm", "tif"])
def test_other_pixels_in_as_many_bytes_are_another_digest(tmp_path: Path, kind: str) -> None:
    tree(tmp_path / "x", ("train",), each=2)
    file = tmp_path / "x" / "train" / "cow" / f"02.{kind}"
    digests, lengths = set(), set()
    for number in (1, 2):
        image(number).save(file)
        lengths.add(file.stat().st_size)
        digests.add(load("imagefolder", tmp_path / "x").digest)
        (tmp_path / "x.zip").unlink(missing_ok=True)
        digests.add(load("imagefolder", zipped(tmp_path / "x", tmp_path / "x.zip")).digest)
    assert len(lengths) == 1
    assert len(digests) == 2


def test_what_is_no_image_is_said_in_plain_words(tmp_path: Path) -> None:
    file = tree(tmp_path) / "test" / "ant" / "00.png"
    file.write_text("no image")
    with pytest.raises(ValueError, match="cannot be read") as caught:
        load_test("imagefolder", tmp_path).images.take(np.array([0]))
    assert str(caught.value) == (
        f"{file}: cannot be read as an image: Pillow knows no format like it"
    )


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    tree(tmp_path / "train")  # one level too deep: train/train/ant
    shutil.rmtree(tmp_path / "train" / "test")
    wanted = f"only train; is a folder in {tmp_path} one level wrong"
    with pytest.raises(ValueError, match=f"two classes or more are wanted; .* has {wanted}"):
        load("imagefolder", tmp_path)


@pytest.mark.parametrize("as_zip", [False, True])
def test_what_lacks_to_test_with_is_said_without_opening_it(
    tmp_path: Path, as_zip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(tree: object, file: str) -> bytes:
        raise AssertionError(f"{file} was opened")

    for kind in (OnDisk, Archive):
        monkeypatch.setattr(kind, "read", closed)
    root = tree(tmp_path / "x")

    def checked() -> None:
        place = zipped(root, tmp_path / f"{len(list(tmp_path.iterdir()))}.zip") if as_zip else root
        check_test("imagefolder:8", place)

    checked()
    (root / "test" / "bee").rename(root / "test" / "fly")
    with pytest.raises(ValueError, match="have the same classes; only one has bee, fly"):
        checked()
    shutil.rmtree(root / "test")
    with pytest.raises(FileNotFoundError, match="neither test/CLASS/ nor val/CLASS/"):
        checked()
