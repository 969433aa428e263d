"""ABC-Net's bases: the signs and gradients of the paper's formulas, factors of least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trainers.networks.abc import activation_bases, first_shifts, thresholds, weight_bases


def latent(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.1


def rebuilt(w: Tensor, bases: int) -> Tensor:
    signs, alphas = weight_bases(w, bases)
    return (alphas[:, None, None, None, None] * signs).sum(0)


@pytest.mark.parametrize("bases", [1, 2, 3, 5])
def test_a_base_is_the_sign_about_the_mean_moved_by_its_share_of_the_deviation(bases: int) -> None:
    w = latent(4, 3, 3, 8)
    signs, _ = weight_bases(w, bases)
    v = w.double().numpy()
    for i in range(bases):
        u = -1 + 2 * i / (bases - 1) if bases > 1 else 0
        expected = np.where(v - v.mean() + u * v.std() >= 0, 1, -1)
        np.testing.assert_array_equal(signs[i], expected)


@pytest.mark.parametrize("bases", [1, 2, 3, 5])
def test_the_factors_are_those_of_least_squares(bases: int) -> None:
    w = latent(4, 3, 3, 8)
    signs, alphas = weight_bases(w, bases)
    matrix = signs.flatten(1).T.double().numpy()
    expected, *_ = np.linalg.lstsq(matrix, w.flatten().double().numpy())
    np.testing.assert_allclose(alphas, expected, rtol=1e-5)


def test_the_factors_are_the_same_bits_where_a_network_learns_in_bf16() -> None:
    w = latent(8, 3, 3, 32)  # 2304 numbers, of whose sums bf16 keeps 8 bits
    signs, alphas = weight_bases(w, 5)
    with torch.autocast("cpu", torch.bfloat16):
        got_signs, got = weight_bases(w, 5)
    assert torch.equal(got_signs, signs)
    assert got.dtype == torch.float32
    assert torch.equal(got, alphas)


def test_bases_that_coincide_share_their_factor() -> None:
    w = torch.tensor([-1.0, 1.0, -1.0, 1.0]).view(1, 1, 1, 4)  # 5 limits, but 2 ways to part them
    signs, alphas = weight_bases(w, 5)
    assert torch.equal(signs[1], signs[3])
    matrix = signs.flatten(1).T.double().numpy()
    expected, *_ = np.linalg.lstsq(matrix, w.flatten().double().numpy())
    np.testing.assert_allclose(alphas, expected, atol=1e-6)
    torch.testing.assert_close(rebuilt(w, 5), w)


def test_weights_all_the_same_are_rebuilt() -> None:
    w = torch.full((2, 1, 1, 4), 0.5)
    torch.testing.assert_close(rebuilt(w, 3), w)


def test_a_single_base_of_weights_about_0_has_their_mean_size_as_factor() -> None:
    w = latent(4, 3, 3, 8)
    w -= w.mean()
    _, alphas = weight_bases(w, 1)
    assert alphas.item() == pytest.approx(w.abs().mean().item(), rel=1e-5)


def test_more_bases_rebuild_better() -> None:
    w = latent(8, 3, 3, 16)
    errors = [(rebuilt(w, bases) - w).square().mean().item() for bases in (1, 2, 3, 5, 9)]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.3 * errors[0]


def test_the_gradient_is_the_sum_over_bases_each_times_its_factor() -> None:
    w = latent(4, 3, 3, 8).requires_grad_()
    signs, alphas = weight_bases(w, 3)
    upstream = torch.randn(w.shape, generator=torch.Generator().manual_seed(1))
    (alphas[:, None, None, None, None] * signs).sum(0).backward(upstream)
    assert w.grad is not None
    assert not alphas.requires_grad
    torch.testing.assert_close(w.grad, upstream * alphas.sum())


@pytest.mark.parametrize("shape", [(4, 3, 8), (1, 4, 3, 3, 8)])
def test_latent_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"1 base or more of .*; got 2 of \("):
        weight_bases(torch.ones(shape), 2)


def test_no_bases_are_refused() -> None:
    with pytest.raises(ValueError, match="got 0 of"):
        weight_bases(torch.ones(1, 1, 1, 4), 0)


EDGES = [-2.0, -0.75, -0.503, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 0.503, 1.0, 1.5, 2.0]
SHIFTS = [0.5, -0.5, 1.5, 0.0, 0.25]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_activation_base_is_plus_one_from_its_threshold_on(dtype: torch.dtype) -> None:
    x = torch.tensor(EDGES, dtype=dtype)
    bases = activation_bases(x, torch.tensor(SHIFTS))
    for v, base in zip(SHIFTS, bases, strict=True):
        assert base.dtype == dtype
        assert base.tolist() == [1 if a >= 0.5 - v else -1 for a in EDGES]
    assert thresholds(torch.tensor(SHIFTS)).tolist() == [0.5 - v for v in SHIFTS]


def test_gradients_reach_activations_and_shifts_where_the_formula_says() -> None:
    x = torch.tensor(EDGES, requires_grad=True)
    shifts = torch.tensor(SHIFTS, requires_grad=True)
    upstream = torch.linspace(-3, 3.5, len(EDGES))
    betas = [1.0, -2.0, 3.0, 0.5, 4.0]
    total = sum(b * a for b, a in zip(betas, activation_bases(x, shifts), strict=True))
    assert isinstance(total, Tensor)
    total.backward(upstream)
    assert x.grad is not None
    assert shifts.grad is not None
    to_x, to_shifts = np.zeros(len(EDGES)), np.zeros(len(SHIFTS))
    for n, v in enumerate(SHIFTS):
        for i, a in enumerate(EDGES):
            if 0 <= a + v <= 1:
                to_x[i] += betas[n] * upstream[i].item()
                to_shifts[n] += betas[n] * upstream[i].item()
    np.testing.assert_allclose(x.grad, to_x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(shifts.grad, to_shifts, rtol=1e-6, atol=1e-6)


def test_activation_bases_keep_the_memory_format_there_and_back() -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    (base,) = activation_bases(x, torch.tensor([0.5]))
    (grad,) = torch.autograd.grad(base, x, torch.ones_like(base))
    for tensor in (base, grad):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_the_first_shifts_for_fewer_bases_are_the_first_of_those_for_more() -> None:
    most = first_shifts(64)
    assert len(most.unique()) == 64
    for n in range(1, 64):
        assert torch.equal(first_shifts(n), most[:n])


def test_the_first_thresholds_begin_at_0_alternate_and_stay_near() -> None:
    limits = thresholds(first_shifts(64))
    assert limits[:9].tolist() == [0, 1, -1, 2, -2, 0.5, -0.5, 1.5, -1.5]
    assert limits.abs().max() == 2


@pytest.mark.parametrize("bases", [3, 5])
def test_to_begin_with_each_activation_near_0_trains_exactly_one_base(bases: int) -> None:
    reach = bases / 2
    x = torch.linspace(-reach + 0.01, reach - 0.01, 50, requires_grad=True)  # between the edges
    torch.stack(activation_bases(x, first_shifts(bases))).sum().backward()
    assert x.grad is not None
    assert x.grad.eq(1).all()


def test_more_activation_bases_rebuild_better_from_the_start() -> None:
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    errors = []
    for n in range(1, 10):
        matrix = torch.stack(activation_bases(x, first_shifts(n)), 1).double().numpy()
        _, error, *_ = np.linalg.lstsq(matrix, x.double().numpy())
        errors.append(error[0])
    assert errors == sorted(errors, reverse=True)
    assert errors[4] < 0.25 * errors[0]


def test_no_shifts_are_refused() -> None:
    with pytest.raises(ValueError, match="1 shift or more; got 0"):
        first_shifts(0)
