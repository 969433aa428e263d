"""The float32 ops that plans emit: their counts, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from kernels.ops import (
    RAW,
    Affine,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
)

SIZE: dict[str, Any] = {"height": 6, "width": 5, "channels": 4}


def test_a_real_convolution_counts_its_places_and_weights() -> None:
    op = RealConv(**SIZE, filters=8, kernel=3, stride=2, padding=1, inputs=2)
    assert (op.out_height, op.out_width, op.sets) == (3, 3, 2)
    assert (op.weights, op.macs) == (8 * 9 * 4, 2 * 9 * 8 * 9 * 4)


def test_a_depthwise_convolution_has_one_channel_a_filter() -> None:
    assert RealConv(**SIZE, filters=4, padding=1, groups=4).weights == 4 * 9


def test_a_pooling_finds_as_many_places_as_a_convolution() -> None:
    op = Pool(kind=Pooling.MAX, height=112, width=7, channels=1, kernel=3, stride=2, padding=1)
    assert (op.out_height, op.out_width) == (56, 4)


def test_a_linear_layer_has_a_bias() -> None:
    op = Linear(channels=10, filters=3)
    assert (op.weights, op.macs) == (33, 30)


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (RealConv, {**SIZE, "filters": 6, "groups": 4}, "groups divide channels .* got 4"),
        (RealConv, {**SIZE, "filters": 8, "after": RAW}, "writes floats or signs; got .* neither"),
        (RealConv, {**SIZE, "filters": 8, "kernel": 7}, "7x7 does not fit an image of 6x5"),
        (Pool, {"kind": Pooling.MAX, **SIZE, "kernel": 6, "stride": 1}, "6x6 does not fit"),
        (Pool, {"kind": Pooling.MAX, **SIZE, "kernel": 2, "stride": 1, "padding": 2}, "padding is"),
        (GlobalPool, {**SIZE, "sets": 0}, "sets is 1 to 4096; got 0"),
        (Mix, {"kind": Blend.MEAN, **SIZE, "inputs": 2, "outputs": 2}, "mean gives one map; got 2"),
        (Mix, {"kind": Blend.GATE, **SIZE, "inputs": 2, "floats": False}, "writes floats or signs"),
        (Skip, {**SIZE, "out_height": 3, "out_width": 3, "filters": 4, "inputs": 2, "onto": 2},
         "one map is added to 2; got 2"),
        (Resize, {**SIZE, "out_height": 0, "out_width": 3}, "out_height is 1 to 65536; got 0"),
        (Linear, {"channels": 4, "filters": 0}, "filters is 1 to 65536; got 0"),
        (Affine, {**SIZE, "after": RAW}, "writes floats or signs"),
        (Pack, {**SIZE, "signs": 65}, "signs is 1 to 64; got 65"),
    ],
)  # fmt: skip
def test_an_op_that_cannot_be_is_refused(kind: type[Op], fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind(**fields)
