"""Signs are never 0, gradients are those of the formulas, what is packed is what was trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainers.networks.binarize import Binarizer, Estimator, Scale, sign
from trainers.networks.binarizers import BINARIZERS, binarizer

every_estimator = pytest.mark.parametrize("estimator", Estimator)
every_binarizer = pytest.mark.parametrize("name", BINARIZERS)

BEYOND = math.nextafter(1, 2)
WITHIN = math.nextafter(1, 0)
EDGES = [-9.0, -BEYOND, -1.0, -WITHIN, -0.5, -5e-324, -0.0, 0.0, 0.5, WITHIN, 1.0, BEYOND, 9.0]
PROGRESS = [0.0, 0.3, 0.5, 1.0]


def latent(*shape: int, seed: int = 0) -> Tensor:
    """Some beyond 1, some exactly 0, 1 and -1, and one filter all the same."""
    w = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    w[0, 0] = torch.tensor([0.0, -0.0, 1.0, -1.0]).repeat(w[0, 0].numel() // 4).view_as(w[0, 0])
    w[-1, -1] = 0.25
    return w


def learnt_for(b: Binarizer, w: Tensor) -> Tensor | None:
    if b.scale is not Scale.LEARNT:
        return None
    return torch.linspace(-2, 3, w.shape[0] * w.shape[1]).view(w.shape[:2]).to(w)


def grad_of(b: Binarizer, w: Tensor, upstream: Tensor, progress: float) -> Tensor:
    w = w.clone().requires_grad_()
    b.weights(w, learnt_for(b, w), progress).backward(upstream)
    assert w.grad is not None
    return w.grad


def upstream_for(w: Tensor) -> Tensor:
    return torch.randn(w.shape, generator=torch.Generator().manual_seed(9), dtype=w.dtype)


# What an estimator is the derivative of.


def clipped(x: float, t: float) -> float:
    return min(max(x, -1), 1)


def polynomial(x: float, t: float) -> float:
    if abs(x) > 1:
        return math.copysign(1, x)
    return 2 * x + x * x if x < 0 else 2 * x - x * x


def annealed(x: float, t: float) -> float:
    return max(1 / t, 1) * math.tanh(t * x)


SMOOTH: dict[Estimator, Callable[[float, float], float]] = {
    Estimator.IDENTITY: lambda x, t: x,
    Estimator.CLIPPED: clipped,
    Estimator.POLYNOMIAL: polynomial,
    Estimator.ANNEALED: annealed,
}


def slope(estimator: Estimator, x: float, progress: float) -> float:
    """The formulas again, a number at a time."""
    t = 0.1 * 100**progress
    match estimator:
        case Estimator.IDENTITY:
            return 1
        case Estimator.CLIPPED:
            return float(-1 <= x <= 1)
        case Estimator.POLYNOMIAL:
            return 2 - 2 * abs(x) if -1 <= x <= 1 else 0
        case Estimator.ANNEALED:
            return max(1 / t, 1) * t * (1 - math.tanh(t * x) ** 2)


def slopes(estimator: Estimator, at: list[float], progress: float) -> list[float]:
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    upstream = torch.linspace(-3, 3.5, len(at), dtype=torch.float64)
    sign(x, estimator, progress).backward(upstream)
    assert x.grad is not None
    slopes: list[float] = (x.grad / upstream).tolist()
    return slopes


@every_estimator
def test_the_sign_of_both_zeros_is_plus_one(estimator: Estimator) -> None:
    assert sign(torch.tensor([0.0, -0.0]), estimator).tolist() == [1, 1]


@every_estimator
@settings(deadline=None, derandomize=True, max_examples=50)
@given(xs=st.lists(st.floats(allow_nan=False, width=32), min_size=1))
def test_a_sign_is_plus_or_minus_one(estimator: Estimator, xs: list[float]) -> None:
    expected = [1 if x >= 0 else -1 for x in xs]
    assert sign(torch.tensor(xs), estimator).tolist() == expected


@pytest.mark.parametrize("progress", PROGRESS)
@every_estimator
def test_a_gradient_is_its_formula_at_the_edges_too(estimator: Estimator, progress: float) -> None:
    expected = [slope(estimator, x, progress) for x in EDGES]
    np.testing.assert_allclose(slopes(estimator, EDGES, progress), expected, rtol=1e-9, atol=1e-13)


def test_the_gradient_of_the_clipped_sign_ends_right_behind_one() -> None:
    at = [-BEYOND, -1.0, 0.0, -0.0, 1.0, BEYOND]
    assert slopes(Estimator.CLIPPED, at, 0) == [0, 1, 1, 1, 1, 0]


def test_the_polynomial_gradient_is_2_at_0_and_0_at_1() -> None:
    assert slopes(Estimator.POLYNOMIAL, [-1.0, -0.5, -0.0, 0.0, 0.5, 1.0], 0) == [0, 1, 2, 2, 1, 0]


@pytest.mark.parametrize("progress", PROGRESS)
@every_estimator
def test_a_gradient_is_the_derivative_of_what_it_stands_for(
    estimator: Estimator, progress: float
) -> None:
    at, step = [-1.7, -0.9, -0.31, -0.02, 0.07, 0.44, 0.98, 1.2], 1e-6
    f, t = SMOOTH[estimator], 0.1 * 100**progress
    expected = [(f(x + step, t) - f(x - step, t)) / (2 * step) for x in at]
    np.testing.assert_allclose(slopes(estimator, at, progress), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@every_estimator
def test_type_and_memory_format_are_kept_there_and_back(
    estimator: Estimator, dtype: torch.dtype
) -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    y = sign(x, estimator, 0.5)
    (grad,) = torch.autograd.grad(y, x, torch.ones_like(y))
    for tensor in (y, grad):
        assert tensor.dtype == dtype
        assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert set(y.unique().tolist()) == {-1, 1}
    expected = [slope(estimator, float(v), 0.5) for v in x.detach().flatten()]
    loose = 0.04 if dtype is torch.bfloat16 else 1e-5
    np.testing.assert_allclose(grad.flatten().float(), expected, atol=loose)


@every_estimator
def test_the_gradient_from_behind_is_left_as_it_was(estimator: Estimator) -> None:
    x = torch.tensor([-0.5, 0.0, 2.0], requires_grad=True)
    upstream = torch.tensor([1.0, 2.0, 3.0])
    sign(x, estimator, 0.5).backward(upstream)
    assert upstream.tolist() == [1, 2, 3]


@pytest.mark.parametrize("progress", PROGRESS)
@every_binarizer
def test_weights_are_scales_times_signs_exactly(name: str, progress: float) -> None:
    b, w = BINARIZERS[name], latent(3, 4, 3, 3, 8).float()
    learnt = learnt_for(b, w)
    scales = b.scales(w, learnt)
    expected = b.signs(w) if scales is None else b.signs(w) * scales[:, :, None, None, None]
    assert torch.equal(b.weights(w, learnt, progress), expected)


@every_binarizer
def test_signs_are_plus_or_minus_one_without_gradient(name: str) -> None:
    signs = BINARIZERS[name].signs(latent(3, 4, 1, 1, 8).requires_grad_())
    assert signs.abs().eq(1).all()
    assert not signs.requires_grad


@every_binarizer
def test_scales_are_above_zero_for_every_filter_of_every_base(name: str) -> None:
    b, w = BINARIZERS[name], torch.zeros(2, 3, 1, 1, 4)
    scales = b.scales(w, torch.zeros(2, 3) if b.scale is Scale.LEARNT else None)
    if b.scale is Scale.NONE:
        assert scales is None
    else:
        assert scales is not None
        assert scales.shape == (2, 3)
        assert scales.gt(0).all()


def test_a_scale_is_the_mean_size_of_a_base_or_of_a_filter() -> None:
    w = latent(3, 4, 3, 3, 8)
    of_base = BINARIZERS["groupnet"].scales(w, None)
    of_filter = BINARIZERS["bireal"].scales(w, None)
    assert of_base is not None
    assert of_filter is not None
    for n, f in np.ndindex(3, 4):
        assert of_base[n, f].item() == pytest.approx(np.abs(w[n].numpy()).mean())
        assert of_filter[n, f].item() == pytest.approx(np.abs(w[n, f].numpy()).mean())


def test_the_scale_of_centred_weights_is_that_of_what_the_signs_stand_for() -> None:
    w = latent(2, 3, 3, 3, 8)
    scales = replace(BINARIZERS["bireal"], centred=True).scales(w, None)
    assert scales is not None
    for n, f in np.ndindex(2, 3):
        v = w[n, f].numpy()
        expected = max(np.abs(v - v.mean()).mean(), torch.finfo(torch.float32).tiny)
        assert scales[n, f].item() == pytest.approx(expected)


def test_the_scales_of_a_part_are_the_part_of_the_scales() -> None:
    w = latent(5, 16, 3, 3, 16).float()
    for b in (BINARIZERS["groupnet"], BINARIZERS["bireal"]):
        part, whole = b.scales(w[:1], None), b.scales(w, None)
        assert part is not None
        assert whole is not None
        assert torch.equal(part, whole[:1])


def test_centring_changes_signs_and_standardising_does_not() -> None:
    w = torch.tensor([1.0, 2.0, 3.0, 6.0]).view(1, 1, 1, 1, 4)
    plain = BINARIZERS["plain"]
    assert plain.signs(w).flatten().tolist() == [1, 1, 1, 1]
    assert replace(plain, standardised=True).signs(w).flatten().tolist() == [1, 1, 1, 1]
    assert replace(plain, centred=True).signs(w).flatten().tolist() == [-1, -1, 1, 1]


def test_group_nets_gradient_is_the_upstream_one_bit_for_bit() -> None:
    w = latent(3, 4, 3, 3, 8).float()
    upstream = upstream_for(w)
    assert torch.equal(grad_of(BINARIZERS["groupnet"], w, upstream, 0.5), upstream)


@pytest.mark.parametrize("name", ["bireal", "reactnet"])
def test_bi_reals_gradient_is_the_upstream_one_where_weights_are_within_one(name: str) -> None:
    w = latent(3, 4, 3, 3, 8)
    upstream = upstream_for(w)
    expected = np.where(np.abs(w.numpy()) <= 1, upstream.numpy(), 0)
    np.testing.assert_array_equal(grad_of(BINARIZERS[name], w, upstream, 0.5), expected)


def test_xnor_nets_gradient_also_flows_through_the_scale() -> None:
    w = latent(2, 3, 1, 1, 8)
    upstream = upstream_for(w)
    got = grad_of(BINARIZERS["xnornet"], w, upstream, 0.5)
    for n, f in np.ndindex(2, 3):
        row, g = w[n, f].flatten().tolist(), upstream[n, f].flatten().tolist()
        signs = [1 if x >= 0 else -1 for x in row]
        alpha = sum(abs(x) for x in row) / len(row)
        through = sum(a * s for a, s in zip(g, signs, strict=True)) / len(row)
        for i, x in enumerate(row):
            expected = through * signs[i] + alpha * g[i] * (abs(x) <= 1)
            assert got[n, f].flatten()[i].item() == pytest.approx(expected, abs=1e-12)


def numeric(f: Callable[[Tensor], float], w: Tensor, step: float = 1e-6) -> Tensor:
    grad = torch.empty_like(w)
    for i in np.ndindex(*w.shape):
        up, down = w.clone(), w.clone()
        up[i] += step
        down[i] -= step
        grad[i] = (f(up) - f(down)) / (2 * step)
    return grad


def standardised(w: Tensor) -> Tensor:
    dims = (2, 3, 4)
    return (w - w.mean(dims, keepdim=True)) / w.std(dims, correction=0, keepdim=True)


@pytest.mark.parametrize("progress", PROGRESS)
def test_ir_nets_gradient_is_that_of_a_tanh_of_standardised_weights(progress: float) -> None:
    w = latent(2, 2, 1, 2, 4)
    w[-1, -1] += torch.linspace(0, 2, 8).view(1, 2, 4)
    upstream, t = upstream_for(w), 0.1 * 100**progress

    def smooth(w: Tensor) -> float:
        return (upstream * max(1 / t, 1) * (t * standardised(w)).tanh()).sum().item()

    got = grad_of(BINARIZERS["irnet"], w, upstream, progress)
    np.testing.assert_allclose(got, numeric(smooth, w), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("progress", PROGRESS)
def test_recus_gradient_is_that_of_standardised_weights_clamped_at_a_quantile(
    progress: float,
) -> None:
    w = latent(2, 2, 3, 3, 4)
    w[-1, -1] += torch.linspace(0, 2, 36).view(3, 3, 4)
    w[0, 1, 0, 0, 0] = 30.0
    upstream, b = upstream_for(w), BINARIZERS["recu"]
    scales = learnt_for(b, w)
    assert scales is not None
    tau = 0.85 + 0.14 * (math.e**progress - 1) / (math.e - 1)
    limit = -standardised(w).abs().mean((2, 3, 4), keepdim=True) * math.log(2 - 2 * tau)
    beyond = standardised(w).abs() > limit
    assert beyond.any()

    def clamped(w: Tensor) -> float:
        v = torch.minimum(torch.maximum(standardised(w), -limit), limit)
        return (upstream * scales.abs()[:, :, None, None, None] * v).sum().item()

    got = grad_of(b, w, upstream, progress)
    np.testing.assert_allclose(got, numeric(clamped, w), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("share", [0.85, 0.9, 0.99])
def test_a_laplace_distribution_has_that_share_below_the_limit(share: float) -> None:
    b = replace(BINARIZERS["plain"], revive=(share, share))
    w = torch.from_numpy(np.random.default_rng(0).laplace(size=(1, 1, 1, 1, 200_000)))
    free = grad_of(b, w, torch.ones_like(w), 0.5)
    assert ((w > 0) & (free == 0)).double().mean().item() == pytest.approx(1 - share, abs=2e-3)


def test_a_learnt_scale_learns() -> None:
    b, w = BINARIZERS["recu"], latent(2, 3, 1, 1, 8)
    learnt = torch.tensor([[-2.0, 0.5, 1.0], [3.0, -0.1, 7.0]], dtype=w.dtype, requires_grad=True)
    upstream = upstream_for(w)
    b.weights(w, learnt, 0.5).backward(upstream)
    assert learnt.grad is not None
    expected = (upstream * b.signs(w)).sum((2, 3, 4)) * learnt.detach().sign()
    torch.testing.assert_close(learnt.grad, expected)


@every_binarizer
def test_a_filter_of_equal_weights_has_a_finite_gradient(name: str) -> None:
    w = torch.full((1, 2, 1, 1, 4), 0.5)
    assert grad_of(BINARIZERS[name], w, torch.randn(w.shape), 0.5).isfinite().all()


def test_a_binarizer_is_found_by_name() -> None:
    assert binarizer("groupnet") is BINARIZERS["groupnet"]
    with pytest.raises(ValueError, match=r"binarizer 'irnett' is not one of .*mean 'irnet'\?"):
        binarizer("irnett")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revive": (0.5, 0.9)}, r"revive rises between 0.5 and 1; got \(0.5, 0.9\)"),
        ({"revive": (0.9, 0.8)}, "revive rises"),
        ({"revive": (0.9, 1.0)}, "revive rises"),
        ({"scale_gradient": True}, "scale_gradient wants a scale"),
        ({"scale": Scale.LEARNT}, "a learnt scale wants scale_gradient"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(BINARIZERS["plain"], **change)  # type: ignore[arg-type]


def test_learnt_scales_come_where_they_are_wanted_and_nowhere_else() -> None:
    w = torch.ones(1, 2, 1, 1, 4)
    with pytest.raises(ValueError, match=r"scale learnt wants learnt scales .*; got none"):
        BINARIZERS["recu"].weights(w, None, 0.5)
    with pytest.raises(ValueError, match=r"scale tensor wants no learnt scales; got \(1, 2\)"):
        BINARIZERS["groupnet"].weights(w, torch.ones(1, 2), 0.5)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(bases, filters, .*; got \(2, 1, 1, 4\)"):
        BINARIZERS["groupnet"].signs(torch.ones(2, 1, 1, 4))
