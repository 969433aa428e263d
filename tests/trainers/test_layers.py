"""The torch twin of every op is what the op says it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from kernels import bits, real_reference, reference
from kernels.ops import (
    BinaryConv,
    BinaryLinear,
    Blend,
    Curve,
    Epilogue,
    GlobalPool,
    Linear,
    Mix,
    Pool,
    Pooling,
    RealConv,
    Residual,
    Resize,
    Skip,
)
from kernels.sample import Case, case
from trainers.networks import epilogue, layers
from trainers.networks.epilogue import Folded

SHAPES = [
    {"channels": 16, "filters": 16, "padding": 1},
    {"channels": 7, "filters": 5, "kernel": 5, "stride": 2, "padding": 2},
    {"channels": 9, "filters": 3, "kernel": 3, "dilation": 2, "padding": 2, "bases": 3},
    {"channels": 24, "filters": 6, "kernel": 1, "stride": 2, "inputs": 2, "bases": 3},
    {"channels": 8, "filters": 10, "kernel": 3, "inputs": 4, "bases": 4, "own": True},
]
ENDINGS = [
    Epilogue(floats=True),
    Epilogue(floats=True, inner=Curve.RELU, residual=Residual.EACH),
    Epilogue(floats=True, inner=Curve.PRELU, sum=True, residual=Residual.ONE),
    Epilogue(floats=True, sum=True, residual=Residual.EACH, outer=Curve.PRELU),
    Epilogue(floats=True, residual=Residual.ONE, outer=Curve.RELU),
]


def maps(array: NDArray[np.generic]) -> list[Tensor]:
    """(sets, batch, height, width, channels) as layers take it."""
    return [torch.from_numpy(np.array(x, np.float32)).permute(0, 3, 1, 2) for x in array]


def array(maps: list[Tensor]) -> NDArray[np.float32]:
    return np.stack([x.detach().permute(0, 2, 3, 1).numpy() for x in maps])


def signs_of(made: Case) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    channels = made.op.channels
    return bits.unpack(made.signs, channels), bits.unpack(made.weights, channels)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_binary_convolution_is_the_reference(shape: dict[str, int], batch: int) -> None:
    op = BinaryConv(height=7, width=6, **shape)  # type: ignore[arg-type]
    made = case(op, batch, np.random.default_rng(0))
    x, w = signs_of(made)
    got = layers.binary_conv(op, maps(x), torch.from_numpy(w).float())
    np.testing.assert_array_equal(array(got), reference.dots(op, x, w))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_a_binary_convolution_of_any_shape_is_the_reference(data: st.DataObject) -> None:
    few = st.integers(1, 3)
    kernel, inputs, own = data.draw(few) * 2 - 1, data.draw(few), data.draw(st.booleans())
    op = BinaryConv(
        height=data.draw(st.integers(5, 9)),
        width=data.draw(st.integers(5, 9)),
        channels=data.draw(st.integers(1, 20)),
        filters=data.draw(st.integers(1, 9)),
        kernel=kernel,
        stride=data.draw(few),
        padding=data.draw(st.integers(0, kernel)),
        inputs=inputs,
        bases=inputs if own else data.draw(few),
        own=own,
    )
    x, w = signs_of(case(op, 2, np.random.default_rng(1)))
    got = layers.binary_conv(op, maps(x), torch.from_numpy(w).float())
    np.testing.assert_array_equal(array(got), reference.dots(op, x, w))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("after", ENDINGS, ids=str)
def test_an_answer_ends_as_the_reference_does_to_the_last_bit(
    shape: dict[str, int], after: Epilogue
) -> None:
    op = BinaryConv(height=7, width=6, after=after, **shape)  # type: ignore[arg-type]
    made = case(op, 2, np.random.default_rng(0))
    x, w = signs_of(made)
    dots = reference.dots(op, x, w)
    c = made.constants
    names = ("scale", "shift", "slope", "each", "before", "curve", "after")
    given = {name: getattr(c, name) for name in names}
    folded = Folded(**{n: None if v is None else torch.from_numpy(v) for n, v in given.items()})
    residual = None if made.residual is None else maps(made.residual)
    got = epilogue.answer(op, maps(dots), residual, folded)
    np.testing.assert_array_equal(array(got), reference.epilogue(op, dots, c, made.residual))


def test_a_binary_linear_map_is_its_convolution() -> None:
    op = BinaryLinear(channels=20, filters=6, inputs=2, bases=3)
    x, w = signs_of(case(op.as_conv(), 4, np.random.default_rng(0)))
    given = [torch.from_numpy(v).float() for v in x[:, :, 0, 0]]
    got = layers.binary_linear(op, given, torch.from_numpy(w[:, :, 0, 0]).float())
    wanted = reference.dots(op.as_conv(), x, w)[:, :, 0, 0]
    np.testing.assert_array_equal(np.stack([y.numpy() for y in got]), wanted)


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_real_convolution_is_the_reference(groups: int) -> None:
    op = RealConv(
        height=6, width=5, channels=4, filters=8, stride=2, padding=1, groups=groups, inputs=2
    )
    x, w = floats(2, 3, 6, 5, 4), floats(8, 3, 3, 4 // groups, seed=1)
    got = array(layers.real_conv(op, maps(x), torch.from_numpy(w)))
    np.testing.assert_allclose(got, real_reference.real_conv(op, x, w), atol=1e-5)


@pytest.mark.parametrize("kind", list(Pooling))
@pytest.mark.parametrize("padding", [0, 1])
def test_a_pooling_is_the_reference(kind: Pooling, padding: int) -> None:
    op = Pool(kind=kind, height=5, width=7, channels=3, kernel=3, stride=2, padding=padding, sets=2)
    x = floats(2, 2, 5, 7, 3)
    wanted = real_reference.pool(op, x)
    np.testing.assert_allclose(array(layers.pool(op, maps(x))), wanted, rtol=1e-5, atol=1e-6)


def test_a_global_pooling_is_the_reference() -> None:
    op, x = GlobalPool(height=4, width=5, channels=6, sets=2), floats(2, 3, 4, 5, 6)
    got = array(layers.global_pool(op, maps(x)))
    np.testing.assert_allclose(got, real_reference.global_pool(op, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        (Blend.MEAN, 1),
        (Blend.LAMBDA, 1),
        (Blend.GATE, 2),
        (Blend.GATE, 3),
        (Blend.GATE, 5),
        (Blend.ROUTE, 2),
    ],
)
def test_a_mix_is_the_reference_to_the_last_bit(kind: Blend, outputs: int, summed: bool) -> None:
    op = Mix(kind=kind, height=2, width=2, channels=3, inputs=3, outputs=outputs)
    b = floats(3, 2, 2, 2, 3)
    sums = floats(3, seed=2) if summed or kind is Blend.LAMBDA else None
    shape = {Blend.GATE: (min(outputs, 3),), Blend.ROUTE: (outputs, 3)}.get(kind)
    blend = None if shape is None else floats(*shape, seed=1)
    given = [None if v is None else torch.from_numpy(v) for v in (blend, sums)]
    got = array(layers.mix(op, maps(b), blend=given[0], sums=given[1]))
    np.testing.assert_array_equal(got, real_reference.mix(op, b, blend=blend, sums=sums))


def test_mixing_leaves_the_branches_as_they_were() -> None:
    """In the released code the first branch became the sum of all."""
    branches = maps(floats(3, 2, 2, 2, 3))
    before = [b.clone() for b in branches]
    for kind, outputs in ((Blend.MEAN, 1), (Blend.GATE, 3), (Blend.ROUTE, 3)):
        op = Mix(kind=kind, height=2, width=2, channels=3, inputs=3, outputs=outputs)
        blend = {Blend.GATE: torch.rand(3), Blend.ROUTE: torch.rand(3, 3)}.get(kind)
        layers.mix(op, branches, blend=blend, sums=None)
    assert all(torch.equal(a, b) for a, b in zip(branches, before, strict=True))


@pytest.mark.parametrize(("height", "out"), [(6, 3), (5, 3), (4, 4), (3, 7)])
@pytest.mark.parametrize("filters", [4, 7, 3])
@pytest.mark.parametrize("onto", [0, 3])
def test_a_skip_is_the_reference(height: int, out: int, filters: int, onto: int) -> None:
    op = Skip(
        height=height,
        width=4,
        channels=4,
        out_height=out,
        out_width=2,
        filters=filters,
        onto=onto,
    )
    x = floats(1, 2, height, 4, 4)
    others = floats(onto, 2, out, 2, filters, seed=1) if onto else None
    got = array(layers.skip(op, maps(x), None if others is None else maps(others)))
    np.testing.assert_allclose(got, real_reference.skip(op, x, others), atol=1e-6)


@pytest.mark.parametrize(("height", "out"), [(2, 4), (5, 3), (4, 4), (1, 3)])
def test_a_resize_is_the_reference(height: int, out: int) -> None:
    op = Resize(height=height, width=3, channels=2, out_height=out, out_width=7, sets=2)
    x = floats(2, 2, height, 3, 2)
    got = array(layers.resize(op, maps(x)))
    np.testing.assert_allclose(got, real_reference.resize(op, x), atol=1e-6)


def test_a_linear_map_reads_pixels_in_the_order_of_the_kernels() -> None:
    x, w, bias = floats(1, 2, 2, 3, 4), floats(5, 24, seed=1), floats(5, seed=2)
    op = Linear(channels=24, filters=5)
    got = layers.linear(op, maps(x)[0], torch.from_numpy(w), torch.from_numpy(bias))
    wanted = real_reference.linear(op, x[0].reshape(2, 24), w, bias)
    np.testing.assert_allclose(got[:, :, 0, 0].numpy(), wanted, atol=1e-5)
