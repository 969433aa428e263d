"""What the core computes for learning is what the definitions say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import learning, reference
from kernels.learning import Products
from kernels.ops import BinaryConv

SHAPES: list[dict[str, int]] = [
    {"height": 32, "width": 32, "channels": 16, "filters": 16, "padding": 1},
    {"height": 8, "width": 8, "channels": 64, "filters": 64, "padding": 1},
    {"height": 16, "width": 16, "channels": 16, "filters": 32, "padding": 1, "stride": 2},
    {"height": 16, "width": 16, "channels": 32, "filters": 16, "kernel": 1, "stride": 2},
    {"height": 7, "width": 9, "channels": 16, "filters": 16, "stride": 2},
    {"height": 5, "width": 40, "channels": 16, "filters": 16, "padding": 1},
    {"height": 3, "width": 101, "channels": 16, "filters": 16, "padding": 2, "stride": 3},
    {"height": 24, "width": 24, "channels": 48, "filters": 16, "padding": 2, "dilation": 2},
    {"height": 11, "width": 13, "channels": 16, "filters": 48, "kernel": 5, "padding": 2},
    {"height": 10, "width": 33, "channels": 16, "filters": 16, "stride": 4, "dilation": 3},
    {"height": 3, "width": 3, "channels": 16, "filters": 16},
    {"height": 1, "width": 1, "channels": 16, "filters": 16, "kernel": 1},
]
ESTIMATORS = {
    "identity": lambda x: np.ones_like(x),
    "clipped": lambda x: (np.abs(x) <= 1).astype(x.dtype),
    "polynomial": lambda x: np.where(np.abs(x) <= 1, 2 - 2 * np.abs(x), 0),
}
BATCH = 19  # more than the images of an item, and not a multiple of them


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def products(op: BinaryConv, relu: bool = True, threads: int = 1) -> tuple[Products, Any, Any]:
    x = floats(BATCH, op.height, op.width, op.channels)
    x.flat[:4] = (0.0, -0.0, 1.0, -1.0)
    w = floats(op.filters, op.kernel, op.kernel, op.channels, seed=1)
    return Products(op, w, x, relu=relu, threads=threads), w, x


def signs(x: NDArray[Any]) -> NDArray[np.int8]:
    return np.where(x < 0, -1, 1).astype(np.int8)


def gradients(
    op: BinaryConv, grad: NDArray[Any], w: NDArray[Any], s: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of weights and of signs, place by place of the kernel, in float64."""
    p, k = op.padding, op.kernel
    padded = np.pad(s.astype(float), [(0, 0), (p, p), (p, p), (0, 0)], constant_values=1)
    dw, dx = np.zeros(w.shape), np.zeros_like(padded)
    for ky, kx in np.ndindex(k, k):
        rows = slice(ky * op.dilation, None, op.stride)
        columns = slice(kx * op.dilation, None, op.stride)
        part = (slice(None), rows, columns)
        here = padded[part][:, : op.out_height, : op.out_width]
        dw[:, ky, kx] = np.einsum("nyxf,nyxc->fc", grad, here)
        dx[part][:, : op.out_height, : op.out_width] += grad @ w[:, ky, kx]
    return dw, dx[:, p : p + op.height, p : p + op.width]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("relu", [True, False])
def test_products_and_their_sums_are_exact(shape: dict[str, int], relu: bool) -> None:
    op = BinaryConv(**shape)
    got, w, x = products(op, relu)
    d = reference.dots(op, signs(x)[None], signs(w)[None])[0]
    np.testing.assert_array_equal(got.dots, d)
    r = (np.maximum(d, 0) if relu else d).astype(np.int64)
    np.testing.assert_array_equal(got.sums, [r.sum((0, 1, 2)), (r * r).sum((0, 1, 2))])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("relu", [True, False])
def test_both_gradients_are_their_sums(shape: dict[str, int], relu: bool) -> None:
    op = BinaryConv(**shape)
    got, w, x = products(op, relu)
    by, scale = floats(3, op.filters, seed=2), np.abs(floats(op.filters, seed=3))
    grad = floats(*got.dots.shape, seed=4)
    r = np.maximum(got.dots, 0) if relu else got.dots
    d = by[0].astype(float) * grad + by[1] + by[2] * r
    d = d * (got.dots > 0) if relu else d
    dw, ds = gradients(op, d, signs(w) * scale[:, None, None, None].astype(float), signs(x))
    same = op.filters == op.channels and grad.shape == x.shape
    for estimator, derivative in ESTIMATORS.items():
        dx = np.ones_like(x)
        told = {"estimator": estimator, "shortcut": same, "more": estimator == "clipped"}
        weights = got.backward(grad, by, scale, x, dx=dx, **told)  # type: ignore[arg-type]
        wanted = ds * derivative(x.astype(float)) + same * (grad if same else 0) + told["more"]
        np.testing.assert_allclose(dx, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())
        np.testing.assert_allclose(weights, dw, rtol=0, atol=1e-5 * np.abs(dw).max())


def test_an_end_and_its_sums_are_the_formula() -> None:
    op = BinaryConv(**SHAPES[0])
    got, _, _ = products(op)
    factor, add = floats(16, seed=1), floats(16, seed=2)
    residual, grad = (floats(*got.dots.shape, seed=seed) for seed in (3, 4))
    r = np.maximum(got.dots, 0).astype(np.float32)
    out = np.empty_like(residual)
    got.finish(factor, add, None, out)
    np.testing.assert_array_equal(out, r * factor + add)
    got.finish(factor, add, residual, out)
    np.testing.assert_array_equal(out, r * factor + add + residual)
    wide = grad.astype(float)
    wanted = [wide.sum((0, 1, 2)), (wide * r).sum((0, 1, 2))]
    np.testing.assert_allclose(got.reduce(grad), wanted, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_any_number_of_threads_gives_the_same_bits(shape: dict[str, int]) -> None:
    op = BinaryConv(**shape)
    found = []
    for threads in (1, 2, 5):
        got, _, x = products(op, threads=threads)
        grad, by = floats(*got.dots.shape), floats(3, op.filters)
        dx = np.empty_like(x)
        told = {"estimator": "clipped", "shortcut": False, "more": False}
        dw = got.backward(grad, by, by[0], x, dx=dx, **told)  # type: ignore[arg-type]
        found.append([got.sums, got.reduce(grad), dw, dx])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", [8, 40_008])
def test_a_blend_is_a_product_of_matrices(size: int) -> None:
    maps, grads = list(floats(3, size)), list(floats(5, size, seed=1))
    factors = floats(5, 3, seed=2)
    out, back = list(np.empty((5, size), np.float32)), list(np.empty((3, size), np.float32))
    learning.blend(maps, factors, out, threads=2)
    np.testing.assert_allclose(out, factors @ np.stack(maps), atol=1e-5)
    sums = learning.blend_backward(maps, grads, factors, back, threads=2)
    np.testing.assert_allclose(back, factors.T @ np.stack(grads), atol=1e-5)
    wanted = np.stack(grads).astype(float) @ np.stack(maps).T.astype(float)
    np.testing.assert_allclose(sums, wanted, atol=1e-5 * size)


@pytest.mark.parametrize(
    "shape",
    [
        {"height": 8, "width": 8, "channels": 24, "filters": 16},
        {"height": 8, "width": 8, "channels": 16, "filters": 8},
        {"height": 9, "width": 9, "channels": 16, "filters": 16, "kernel": 1, "padding": 9},
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_apart(shape: dict[str, int]) -> None:
    op = BinaryConv(**shape)
    assert not learning.learns(op)
    with pytest.raises(ValueError, match="learn_fits"):
        products(op)


def test_arrays_that_do_not_fit_are_errors() -> None:
    op = BinaryConv(**SHAPES[0])
    got, w, x = products(op)
    with pytest.raises(ValueError, match="x has 311296 numbers; got 9728"):
        Products(op, w, x[:, :1].copy(), relu=True, threads=1)
    with pytest.raises(TypeError):
        Products(op, w, x.astype(float), relu=True, threads=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grad has"):
        got.reduce(floats(1, 32, 32, 16))


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_so_many_threads_are_an_error(threads: int) -> None:
    got, _, x = products(BinaryConv(**SHAPES[1]))
    y, some = np.empty_like(x), np.ones(64, np.float32)
    got.threads = threads
    calls: list[Callable[[], Any]] = [
        lambda: products(BinaryConv(**SHAPES[1]), threads=threads),
        lambda: got.finish(some, some, None, y),
        lambda: got.reduce(x),
        lambda: learning.blend([x], some[:1], [y], threads=threads),
        lambda: learning.blend_backward([x], [x], some[:1, None], [y], threads=threads),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"threads is 1 to 256; got {threads}"):
            call()
