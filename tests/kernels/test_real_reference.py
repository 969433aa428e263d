"""The references of the real-valued ops, on numbers that one can work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import real_reference
from kernels.ops import Blend, GlobalPool, Linear, Mix, Pool, Pooling, RealConv, Resize, Skip

Floats = NDArray[np.float32]


def one_map(*rows: list[float]) -> Floats:
    """One set, one image, one channel."""
    return np.array(rows, np.float32)[None, None, :, :, None]


def test_a_convolution_is_padded_with_0() -> None:
    op = RealConv(height=2, width=2, channels=1, filters=1, padding=1)
    w = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1)
    got = real_reference.real_conv(op, one_map([1, 2], [3, 4]), w)
    # the kernel lies with its centre on each pixel: 1*5 + 2*6 + 3*8 + 4*9, ...
    assert got[0, 0, :, :, 0].tolist() == [[77, 67], [47, 37]]


def test_groups_see_their_own_channels() -> None:
    op = RealConv(height=1, width=1, channels=4, filters=4, kernel=1, groups=2)
    x = np.array([1, 10, 100, 1000], np.float32).reshape(1, 1, 1, 1, 4)
    w = np.array([[1, 0], [1, 1], [1, 0], [1, 1]], np.float32).reshape(4, 1, 1, 2)
    assert real_reference.real_conv(op, x, w).ravel().tolist() == [1, 11, 100, 1100]


def test_stride_and_dilation_of_a_convolution() -> None:
    op = RealConv(height=1, width=7, channels=1, filters=1, kernel=1, stride=3)
    x, w = one_map([1, 2, 3, 4, 5, 6, 7]), np.ones((1, 1, 1, 1), np.float32)
    assert real_reference.real_conv(op, x, w).ravel().tolist() == [1, 4, 7]
    op = RealConv(height=5, width=5, channels=1, filters=1, dilation=2)
    square = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5, 1)
    got = real_reference.real_conv(op, square, np.ones((1, 3, 3, 1), np.float32))
    assert got.ravel().tolist() == [0 + 2 + 4 + 10 + 12 + 14 + 20 + 22 + 24]


@pytest.mark.parametrize(
    ("kind", "wanted"), [(Pooling.MAX, [1, 3, 5]), (Pooling.AVERAGE, [0.5, 2, 4])]
)
def test_what_lies_over_the_border_is_left_out_of_a_pooling(
    kind: Pooling, wanted: list[float]
) -> None:
    op = Pool(kind=kind, height=1, width=5, channels=1, kernel=3, stride=2, padding=1)
    got = real_reference.pool(op, one_map([0, 1, 2, 3, 5]))
    assert got.ravel().tolist() == wanted


def test_a_global_pooling_keeps_sets_and_channels_apart() -> None:
    x = np.arange(16, dtype=np.float32).reshape(2, 1, 2, 2, 2)
    op = GlobalPool(height=2, width=2, channels=2, sets=2)
    assert real_reference.global_pool(op, x).tolist() == [[[[[3, 4]]]], [[[[11, 12]]]]]


def branches(*values: float) -> Floats:
    return np.array(values, np.float32).reshape(-1, 1, 1, 1, 1)


def mixed(kind: Blend, x: Floats, outputs: int = 1, **given: list[float]) -> list[float]:
    op = Mix(kind=kind, height=1, width=1, channels=1, inputs=len(x), outputs=outputs)
    arrays = {name: np.array(value, np.float32) for name, value in given.items()}
    got: list[float] = real_reference.mix(op, x, **arrays).ravel().tolist()
    return got


def test_mixes() -> None:
    x = branches(1, 2, 6)
    assert mixed(Blend.MEAN, x) == [3]
    assert mixed(Blend.LAMBDA, x, sums=[1, 0.5, -1]) == [-4]
    assert mixed(Blend.GATE, x, 3, blend=[0, 0.5, 1]) == [3, 2.5, 6]
    assert mixed(Blend.GATE, x, 2, blend=[0, 0.5], sums=[1, 0, 0]) == [1, 1.5]
    assert mixed(Blend.GATE, x, 4, blend=[0, 0.5, 1]) == [3, 2.5, 6, 3], "no branch 3: the mean"
    route: list[list[float]] = [[1, 1, 1], [0, 0, 2]]
    assert mixed(Blend.ROUTE, x, 2, blend=route) == [9, 12]  # type: ignore[arg-type]


def test_a_skip_averages_stretches_and_repeats_channels() -> None:
    op = Skip(height=1, width=5, channels=1, out_height=1, out_width=3, filters=2)
    got = real_reference.skip(op, one_map([1, 2, 3, 4, 5]))
    # 5 over 3 places: 0 and 1; 1, 2 and 3; 3 and 4
    assert got.ravel().tolist() == [1.5, 1.5, 3, 3, 4.5, 4.5]
    op = Skip(height=1, width=1, channels=3, out_height=1, out_width=1, filters=2, onto=2)
    x = np.array([1, 2, 3], np.float32).reshape(1, 1, 1, 1, 3)
    onto = np.array([10, 10, 20, 20], np.float32).reshape(2, 1, 1, 1, 2)
    assert real_reference.skip(op, x, onto).ravel().tolist() == [11, 12, 21, 22]


def test_a_resize_goes_between_the_centres_of_pixels() -> None:
    op = Resize(height=2, width=1, channels=1, out_height=4, out_width=1)
    assert real_reference.resize(op, one_map([0], [4])).ravel().tolist() == [0, 1, 3, 4]


def test_a_linear_map() -> None:
    op = Linear(channels=2, filters=2)
    x, w = np.array([[1, 2]], np.float32), np.array([[1, 1], [0, 3]], np.float32)
    got = real_reference.linear(op, x, w, np.array([10, 20], np.float32))
    assert got.tolist() == [[13, 26]]
