"""Splits: nothing is on both sides, every class is on each, the seed fixes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from trainers.data.splits import drawn, every_fifth, given

CLASSES = ("a", "b", "c")
# Small classes, where rounding and the least of one image matter, in any order.
label_lists = (
    st.lists(st.integers(2, 12), min_size=3, max_size=3)
    .map(lambda sizes: [number for number, size in enumerate(sizes) for _ in range(size)])
    .flatmap(st.permutations)
)


@settings(deadline=None, derandomize=True)
@given_(labels=label_lists, share=st.floats(0.001, 0.999), seed=st.integers(0, 3))
def test_the_two_sides_share_no_image_and_leave_none_out(
    labels: list[int], share: float, seed: int
) -> None:
    train, selection = drawn(np.array(labels), CLASSES, share, seed)
    assert sorted([*train.tolist(), *selection.tolist()]) == list(range(len(labels)))
    assert sorted(train.tolist()) == train.tolist()
    assert sorted(selection.tolist()) == selection.tolist()


@settings(deadline=None, derandomize=True)
@given_(labels=label_lists, share=st.floats(0.001, 0.999))
def test_each_class_gives_its_share_and_never_all(labels: list[int], share: float) -> None:
    _, selection = drawn(np.array(labels), CLASSES, share, 0)
    for number in range(3):
        size = labels.count(number)
        held = np.count_nonzero(np.array(labels)[selection] == number)
        assert 1 <= held <= size - 1
        assert abs(held - share * size) <= 1


def test_the_seed_fixes_the_split() -> None:
    labels = np.repeat(np.arange(3), 50)
    one, again, other = (drawn(labels, CLASSES, 0.2, seed)[1] for seed in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


def test_the_split_of_a_seed_is_the_same_tomorrow() -> None:
    _, selection = drawn(np.repeat(np.arange(3), 20), CLASSES, 0.1, 0)
    assert selection.tolist() == [4, 19, 20, 30, 48, 55]


def test_a_class_behind_changes_nothing_for_those_before() -> None:
    two, three = np.repeat(np.arange(2), 20), np.repeat(np.arange(3), 20)
    held = drawn(two, CLASSES[:2], 0.25, 0)[1].tolist()
    assert held == [n for n in drawn(three, CLASSES, 0.25, 0)[1].tolist() if n < 40]


def test_classes_do_not_give_the_same_places() -> None:
    _, selection = drawn(np.repeat(np.arange(2), 100), CLASSES[:2], 0.1, 0)
    assert {n % 100 for n in selection.tolist() if n < 100} != {
        n % 100 for n in selection.tolist() if n >= 100
    }


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_is_between_none_and_all(share: float) -> None:
    with pytest.raises(ValueError, match="the share held out is between 0 and 1; got"):
        drawn(np.array([0, 0]), ("a",), share, 0)


def test_a_class_of_one_image_cannot_be_split() -> None:
    with pytest.raises(ValueError, match=r"class 'b' needs an image to train on .*; got 1"):
        drawn(np.array([0, 0, 1]), ("a", "b"), 0.1, 0)
    with pytest.raises(ValueError, match=r"class 'c' needs .*; got 0"):
        drawn(np.array([0, 0, 1, 1]), CLASSES, 0.1, 0)


def test_a_seed_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match="a seed is 0 or more; got -1"):
        drawn(np.array([0, 0]), ("a",), 0.5, -1)


def test_what_the_data_set_holds_out_is_followed() -> None:
    train, selection = given(np.array([0, 1, 0, 1, 1]), ("a", "b"), np.array([3, 2, 3]))
    assert (train.tolist(), selection.tolist()) == ([0, 1, 4], [2, 3])


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ([0], "class 'b' has no image to choose by"),
        ([], "class 'a' has no image to choose by"),
        ([0, 2, 3], "class 'a' has no image to train on"),
        ([0, 5], "numbered 0 to 4; got 0 to 5"),
        ([-1, 2], "numbered 0 to 4; got -1 to 2"),
    ],
)
def test_a_selection_that_lacks_a_class_is_refused(selection: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given(np.array([0, 1, 0, 1, 1]), ("a", "b"), np.array(selection, np.int64))


def test_every_fifth_of_a_class_is_taken_wherever_it_lies() -> None:
    labels = np.array([0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0])
    assert every_fifth(labels).tolist() == [6, 9]
