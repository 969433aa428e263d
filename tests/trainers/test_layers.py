"""The torch twin of every op is what the op says it is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from kernels import bits, reference
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
from trainers import epilogue, layers
from trainers.epilogue import Folded

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
def test_a_real_convolution_is_padded_with_0_and_the_same_for_each_map(groups: int) -> None:
    op = RealConv(
        height=6, width=5, channels=4, filters=8, stride=2, padding=1, groups=groups, inputs=2
    )
    x, w = floats(2, 3, 6, 5, 4), floats(8, 3, 3, 4 // groups, seed=1)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)])
    wanted = np.zeros((2, 3, op.out_height, op.out_width, 8), np.float64)
    each, to = 4 // groups, 8 // groups
    for row, column, f in product(range(op.out_height), range(op.out_width), range(8)):
        first = f // to * each
        field = padded[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        taken = field[..., first : first + each]
        wanted[:, :, row, column, f] = (taken * w[f]).sum((2, 3, 4))
    got = array(layers.real_conv(op, maps(x), torch.from_numpy(w)))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", list(Pooling))
def test_what_lies_over_the_border_is_left_out_of_a_pooling(kind: Pooling) -> None:
    op = Pool(kind=kind, height=5, width=7, channels=3, kernel=3, stride=2, padding=1, sets=2)
    x = floats(2, 2, 5, 7, 3)
    wanted = np.empty((2, 2, op.out_height, op.out_width, 3), np.float32)
    for row, column in product(range(op.out_height), range(op.out_width)):
        top, left = 2 * row - 1, 2 * column - 1
        field = x[:, :, max(top, 0) : top + 3, max(left, 0) : left + 3]
        take = field.max if kind is Pooling.MAX else field.mean
        wanted[:, :, row, column] = take(axis=(2, 3))
    np.testing.assert_allclose(array(layers.pool(op, maps(x))), wanted, rtol=1e-5, atol=1e-6)


def test_a_global_pooling_is_the_mean_of_each_map() -> None:
    x = floats(2, 3, 4, 5, 6)
    got = layers.global_pool(GlobalPool(height=4, width=5, channels=6, sets=2), maps(x))
    wanted = x.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(array(got), wanted, rtol=1e-5, atol=1e-6)


def a_mix(kind: Blend, inputs: int, outputs: int = 1) -> Mix:
    return Mix(kind=kind, height=2, width=2, channels=3, inputs=inputs, outputs=outputs)


def test_a_mean_and_a_sum_with_lambdas_are_one_map() -> None:
    b = floats(3, 2, 2, 2, 3)
    w = np.array([0.5, -1, 2], np.float32)
    (mean,) = layers.mix(a_mix(Blend.MEAN, 3), maps(b), blend=None, sums=None)
    (total,) = layers.mix(a_mix(Blend.LAMBDA, 3), maps(b), blend=None, sums=torch.from_numpy(w))
    np.testing.assert_allclose(array([mean])[0], b.mean(0), atol=1e-6)
    np.testing.assert_allclose(array([total])[0], np.tensordot(w, b, 1), atol=1e-6)


@pytest.mark.parametrize("outputs", [2, 3, 5])
def test_a_gate_mixes_each_branch_with_the_aggregate(outputs: int) -> None:
    """More outputs than branches: those have no branch of their number, and get the aggregate."""
    b, c = floats(3, 2, 2, 2, 3), np.array([0.25, 0.5, 1][:outputs], np.float32)
    op = a_mix(Blend.GATE, 3, outputs)
    got = array(layers.mix(op, maps(b), blend=torch.from_numpy(c), sums=None))
    assert len(got) == outputs
    a = b.mean(0)
    for i in range(outputs):
        wanted = c[i] * b[i] + (1 - c[i]) * a if i < 3 else a
        np.testing.assert_allclose(got[i], wanted, atol=1e-6)


def test_a_route_is_a_matrix_of_branches() -> None:
    b, m = floats(3, 2, 2, 2, 3), floats(2, 3, seed=1)
    op = a_mix(Blend.ROUTE, 3, 2)
    got = array(layers.mix(op, maps(b), blend=torch.from_numpy(m), sums=None))
    np.testing.assert_allclose(got, np.tensordot(m, b, 1), atol=1e-6)


def test_mixing_leaves_the_branches_as_they_were() -> None:
    """In the released code the first branch became the sum of all."""
    branches = maps(floats(3, 2, 2, 2, 3))
    before = [b.clone() for b in branches]
    for kind, outputs in ((Blend.MEAN, 1), (Blend.GATE, 3), (Blend.ROUTE, 3)):
        blend = {Blend.GATE: torch.rand(3), Blend.ROUTE: torch.rand(3, 3)}.get(kind)
        layers.mix(a_mix(kind, 3, outputs), branches, blend=blend, sums=None)
    assert all(torch.equal(a, b) for a, b in zip(branches, before, strict=True))


@pytest.mark.parametrize(("height", "out"), [(6, 3), (5, 3), (4, 4), (3, 7)])
@pytest.mark.parametrize("filters", [4, 7, 3])
def test_a_skip_is_the_average_of_stretches_with_channels_in_turn(
    height: int, out: int, filters: int
) -> None:
    op = Skip(height=height, width=4, channels=4, out_height=out, out_width=2, filters=filters)
    x = floats(1, 2, height, 4, 4)
    wanted = np.empty((2, out, 2, filters), np.float32)
    for i, j, f in product(range(out), range(2), range(filters)):
        rows = slice(i * height // out, -(-(i + 1) * height // out))
        wanted[:, i, j, f] = x[0, :, rows, 2 * j : 2 * j + 2, f % 4].mean((1, 2))
    np.testing.assert_allclose(array(layers.skip(op, maps(x), None))[0], wanted, atol=1e-6)


def test_a_skip_onto_maps_is_added_to_each() -> None:
    op = Skip(height=4, width=4, channels=2, out_height=2, out_width=2, filters=2, onto=3)
    x, onto = floats(1, 2, 4, 4, 2), floats(3, 2, 2, 2, 2, seed=1)
    got = array(layers.skip(op, maps(x), maps(onto)))
    small = x[0].reshape(2, 2, 2, 2, 2, 2).mean((2, 4))
    np.testing.assert_allclose(got, onto + small, atol=1e-6)


def test_a_resize_goes_between_the_centres_of_pixels() -> None:
    op = Resize(height=2, width=1, channels=1, out_height=4, out_width=1)
    x = np.array([0.0, 4.0], np.float32).reshape(1, 1, 2, 1, 1)
    got = array(layers.resize(op, maps(x))).flatten()
    np.testing.assert_allclose(got, [0, 1, 3, 4])


def test_a_linear_map_reads_pixels_in_the_order_of_the_kernels() -> None:
    x, w, bias = floats(1, 2, 2, 3, 4), floats(5, 24, seed=1), floats(5, seed=2)
    op = Linear(channels=24, filters=5)
    got = layers.linear(op, maps(x)[0], torch.from_numpy(w), torch.from_numpy(bias))
    wanted = x[0].reshape(2, 24) @ w.T + bias
    np.testing.assert_allclose(got[:, :, 0, 0].numpy(), wanted, atol=1e-5)
