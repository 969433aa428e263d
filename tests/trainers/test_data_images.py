"""Images: what is taken is what was asked for, and what is held cannot change."""

from __future__ import annotations

import numpy as np
import pytest

from trainers.data.images import Subset, Whole, digest, in_memory

PIXELS = np.arange(6 * 2 * 3 * 1, dtype=np.uint8).reshape(6, 2, 3, 1)
LABELS = np.array([0, 1, 2, 0, 1, 2])
CLASSES = ("a", "b", "c")


def test_images_are_taken_in_the_order_asked_for() -> None:
    images = Whole(PIXELS.copy(), LABELS.copy())
    assert (len(images), images.shape) == (6, (2, 3, 1))
    np.testing.assert_array_equal(images.take(np.array([4, 0, 4])), PIXELS[[4, 0, 4]])


def test_a_subset_has_numbers_of_its_own() -> None:
    some = Subset(Whole(PIXELS.copy(), LABELS.copy()), np.array([5, 1, 3]))
    assert (len(some), some.shape, some.labels.tolist()) == (3, (2, 3, 1), [2, 1, 0])
    np.testing.assert_array_equal(some.take(np.array([2, 0])), PIXELS[[3, 5]])
    again = Subset(some, np.array([1]))
    np.testing.assert_array_equal(again.take(np.array([0])), PIXELS[[1]])


def test_what_was_taken_is_the_callers_and_what_is_held_is_nobodys() -> None:
    images = Whole(PIXELS.copy(), LABELS.copy())
    images.take(np.arange(6))[:] = 9
    np.testing.assert_array_equal(images.take(np.arange(6)), PIXELS)
    for held in (images.pixels, images.labels):
        with pytest.raises(ValueError, match="read-only"):
            held[0] = 1


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (PIXELS.astype(np.float32), LABELS, "pixels are uint8, .*; got float32 6 x 2 x 3 x 1"),
        (PIXELS[0, 0], LABELS, "pixels are uint8, .*; got uint8 3 x 1"),
        (PIXELS, LABELS[:5], "labels are int64, one for each of 6 images; got int64 5"),
        (PIXELS, LABELS[:, None], "one for each of 6 images; got int64 6 x 1"),
        (PIXELS, LABELS / 2, "labels are whole numbers; got float64"),
        (PIXELS, LABELS + 1, "a label is 0 to 2; found 3"),
        (PIXELS, LABELS - 1, "a label is 0 to 2; found -1"),
    ],
)
def test_what_does_not_fit_is_refused(pixels: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        in_memory(pixels.copy(), labels.copy(), CLASSES)


def test_labels_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels are int64, .*; got int32 6"):
        Whole(PIXELS.copy(), LABELS.astype(np.int32))  # type: ignore[arg-type]


def test_grey_images_may_come_without_their_channel() -> None:
    part = in_memory(PIXELS[..., 0].copy(), LABELS.astype(np.uint8), CLASSES)
    np.testing.assert_array_equal(part.images.take(np.arange(6)), PIXELS)
    assert part.images.labels.dtype == np.int64
    assert part.digest == in_memory(PIXELS.copy(), LABELS.copy(), CLASSES).digest


def test_a_digest_tells_of_every_pixel_label_class_and_of_the_shape() -> None:
    pixels, labels = PIXELS.copy(), LABELS.copy()
    pixels[5, 1, 2] += 1
    labels[5] = 0
    digests = {
        in_memory(PIXELS.copy(), LABELS.copy(), CLASSES).digest,
        in_memory(pixels, LABELS.copy(), CLASSES).digest,
        in_memory(PIXELS.copy(), labels, CLASSES).digest,
        in_memory(PIXELS.copy(), LABELS.copy(), ("a", "b", "d")).digest,
        in_memory(PIXELS.reshape(6, 3, 2, 1).copy(), LABELS.copy(), CLASSES).digest,
    }
    assert len(digests) == 5


def test_a_digest_is_the_same_on_every_machine() -> None:
    assert digest(b"ab", np.array([[1], [2]], np.uint8)) == "806b492be705"
    assert digest(np.arange(6)[::2]) == digest(np.array([0, 2, 4]))
