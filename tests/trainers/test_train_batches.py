"""Which images a step takes follows from the seed and the step alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.learning.batches import ahead, indices, order
from trainers.learning.seeds import derived


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 4))
def test_every_image_comes_once_in_each_epoch(images: int, batch: int, epochs: int) -> None:
    steps = -(-images * epochs // batch)
    taken = [indices(7, step, batch, images) for step in range(steps)]
    assert all(len(part) == batch for part in taken)
    row = np.concatenate(taken)[: images * epochs].reshape(epochs, images)
    assert (np.sort(row, axis=1) == np.arange(images)).all()


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = Counter(order(seed, epoch, 50).tobytes() for seed in (0, 1) for epoch in (0, 1, 2))
    assert set(orders.values()) == {1}
    assert len(orders) == 6


def test_a_step_is_the_same_whatever_was_taken_before() -> None:
    late = indices(3, 90, 8, 20)
    for step in range(90):
        indices(4, step, 8, 20)
    np.testing.assert_array_equal(indices(3, 90, 8, 20), late)


def test_no_images_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images to take a batch from"):
        indices(0, 0, 8, 0)


def test_derived_seeds_never_change() -> None:
    """A training that was killed may go on with a newer version of the project."""
    assert derived(0, "order", 0) == 3991725939186754870
    assert derived(0, "augment", 0) != derived(0, "order", 0) != derived(0, "order", 1)


def test_what_is_read_ahead_comes_in_order() -> None:
    assert list(ahead(lambda step: step * step, range(3, 7))) == [9, 16, 25, 36]
    assert list(ahead(lambda step: step, range(5, 5))) == []


def test_nothing_is_read_beyond_the_last_step() -> None:
    asked: list[int] = []
    assert len(list(ahead(lambda step: asked.append(step), range(2, 5)))) == 3
    assert asked == [2, 3, 4]


def test_an_error_while_reading_ahead_comes_out_at_its_step() -> None:
    def read(step: int) -> int:
        if step == 2:
            raise OSError("a broken image")
        return step

    steps = ahead(read, range(5))
    assert [next(steps), next(steps)] == [0, 1]
    with pytest.raises(OSError, match="a broken image"):
        next(steps)
