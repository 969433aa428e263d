"""How real numbers become +1 and -1, and what gradient is taken in place of the true one.

A sign is +1 where a number is at least 0, of -0.0 too, and -1 elsewhere: never 0. Its derivative is
0 almost everywhere, so each method puts another in its place. A `Binarizer` says which, for
activations and for weights, and what else a method does to the weights; `binarizers.py` has those
of the papers by name. Nothing here has a state.

Latent weights, the real ones behind the signs, are float32 (bases, filters, kernel, kernel,
channels).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function

FILTER = (2, 3, 4)  # the dimensions of one filter
TINY = torch.finfo(torch.float32).tiny
Gradient = Callable[[Tensor, Tensor], Tensor]  # of x and of the gradient behind the sign


class Estimator(enum.StrEnum):
    """What stands for the derivative of the sign at x.

    IDENTITY    1
    CLIPPED     1 where |x| <= 1, else 0
    POLYNOMIAL  2 - 2|x| where |x| <= 1, else 0 (Bi-Real)
    ANNEALED    k t (1 - tanh(t x)^2); t rises from 0.1 to 10 with the progress, each tenth of it by
                the same factor, and k = max(1/t, 1) (EDE of IR-Net)
    """

    IDENTITY = "identity"
    CLIPPED = "clipped"
    POLYNOMIAL = "polynomial"
    ANNEALED = "annealed"


class Scale(enum.StrEnum):
    """What the signs of the weights are multiplied by.

    NONE     nothing
    TENSOR   for each base the mean size of all its weights
    CHANNEL  for each filter of each base the mean size of its weights
    LEARNT   for each filter of each base the size of a parameter
    """

    NONE = "none"
    TENSOR = "tensor"
    CHANNEL = "channel"
    LEARNT = "learnt"


def plus_minus(x: Tensor, limit: float | Tensor = 0.0) -> Tensor:
    """+1 where x >= limit, else -1, in x's dtype and memory format. For tensors without gradient.

    Written with `out` because `where` on the same numbers takes seven times as long on a CPU.
    """
    signs = torch.ge(x, limit, out=torch.empty_like(x))
    return torch.threshold_(signs, 0.0, -1.0)


def sign(x: Tensor, estimator: Estimator, progress: float = 1.0) -> Tensor:
    """`plus_minus(x)` with the estimator's gradient. Only ANNEALED looks at the progress."""
    signs: Tensor = _Sign.apply(x, _gradient(estimator, progress))  # type: ignore[no-untyped-call]
    return signs


class _Sign(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Gradient | None) -> Tensor:
        ctx.gradient = gradient
        if gradient is not None:
            ctx.save_for_backward(x)
        return plus_minus(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,) = grads
        return (ctx.gradient(*ctx.saved_tensors, grad) if ctx.gradient else grad), None


def _gradient(estimator: Estimator, progress: float) -> Gradient | None:
    match estimator:
        case Estimator.IDENTITY:
            return None
        case Estimator.CLIPPED:
            return _clipped
        case Estimator.POLYNOMIAL:
            return _polynomial
        case Estimator.ANNEALED:
            return partial(_annealed, 10 ** (2 * progress - 1))


# These run on every activation of every branch: one new tensor each, all the rest in place.


def _clipped(x: Tensor, grad: Tensor) -> Tensor:
    return x.abs().le_(1).mul_(grad)


def _polynomial(x: Tensor, grad: Tensor) -> Tensor:
    size = x.abs().clamp_max_(1)
    return torch.addcmul(grad, grad, size, value=-1, out=size).mul_(2)


def _annealed(t: float, x: Tensor, grad: Tensor) -> Tensor:
    """1 - tanh(z)^2 = 4 s (1 - s) with s = sigmoid(2 z), which takes half the time."""
    s = (x * (2 * t)).sigmoid_()
    return torch.addcmul(s, s, s, value=-1, out=s).mul_(grad).mul_(4 * t * max(1 / t, 1))


class _Scaled(Function):
    """signs * scales, with the gradient of the product handed to the signs as it is."""

    @staticmethod
    def forward(ctx: Any, signs: Tensor, scales: Tensor) -> Tensor:
        return signs * scales

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,) = grads
        return grad, None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binarizer:
    """A method of the literature.

    activation      the estimator of the activations' signs
    weight          that of the weights'
    centred         each filter's mean is taken off before the sign: other signs, so in the packed
                    network too
    standardised    each filter is divided by its standard deviation: the same signs, but other
                    gradients
    revive          tau at the beginning and at the end of the training: weights beyond the quantile
                    tau of their filter, were it a Laplace distribution, are clamped to it and so
                    have no gradient of their own (ReCU); the signs stay
    scale_gradient  the product rule holds for scale times sign, so gradients are multiplied by the
                    scale and also reach the weights through their mean size; without it the
                    estimator alone stands between scale times sign and the weight
    """

    activation: Estimator
    weight: Estimator
    centred: bool
    standardised: bool
    revive: tuple[float, float] | None
    scale: Scale
    scale_gradient: bool

    def __post_init__(self) -> None:
        if self.revive and not 0.5 < self.revive[0] <= self.revive[1] < 1:
            raise ValueError(f"revive rises between 0.5 and 1; got {self.revive}")
        if self.scale is Scale.NONE and self.scale_gradient:
            raise ValueError("scale_gradient wants a scale; got scale none")
        if self.scale is Scale.LEARNT and not self.scale_gradient:
            raise ValueError("a learnt scale wants scale_gradient; got it without")

    def signs(self, w: Tensor) -> Tensor:
        """+1 and -1, without gradient: what the packed network holds."""
        return plus_minus(self._normal(w.detach()))

    def scales(self, w: Tensor, learnt: Tensor | None) -> Tensor | None:
        """(bases, filters), above 0; None where there are none. Of all zeros it is the least float.

        The sizes are those of the centred weights where these are centred, before they are
        standardised.
        """
        if self.scale is Scale.LEARNT and learnt is None:
            raise ValueError("scale learnt wants learnt scales (bases, filters); got none")
        if self.scale is not Scale.LEARNT and learnt is not None:
            got = tuple(learnt.shape)
            raise ValueError(f"scale {self.scale} wants no learnt scales; got {got}")
        if self.scale is Scale.NONE:
            return None
        if learnt is not None:
            return learnt.abs().clamp_min(TINY)
        w = w if self.scale_gradient else w.detach()
        w = w - _mean(w) if self.centred else w
        # w times its sign, not abs: the same, but with the sign's gradient at 0 too
        sizes = (w * plus_minus(w.detach())).mean(FILTER)
        if self.scale is Scale.TENSOR:
            sizes = sizes.mean(1, keepdim=True).expand_as(sizes)
        return sizes.clamp_min(TINY)

    def weights(self, w: Tensor, learnt: Tensor | None, progress: float) -> Tensor:
        """scales * signs, for training: exactly these values, with the method's gradient."""
        normal = self._normal(w)
        if self.revive:
            limit = _quantile(normal.detach(), _tau(self.revive, progress))
            normal = normal.clamp(-limit, limit)
        signs = sign(normal, self.weight, progress)
        scales = self.scales(w, learnt)
        if scales is None:
            return signs
        scales = scales[..., None, None, None]
        if self.scale_gradient:
            return signs * scales
        scaled: Tensor = _Scaled.apply(signs, scales)  # type: ignore[no-untyped-call]
        return scaled

    def _normal(self, w: Tensor) -> Tensor:
        """What the sign is taken of."""
        if w.ndim != 5:
            raise ValueError(
                "latent weights are (bases, filters, kernel, kernel, channels); "
                f"got {tuple(w.shape)}"
            )
        if not (self.centred or self.standardised):
            return w
        apart = w - _mean(w)
        w = apart if self.centred else w
        if not self.standardised:
            return w
        norm: Tensor = torch.linalg.vector_norm(apart, dim=FILTER, keepdim=True)
        deviation = norm / math.sqrt(math.prod(w.shape[2:]))
        return w / deviation.clamp_min(1e-8)  # all weights of a filter may be the same


def _mean(w: Tensor) -> Tensor:
    return w.mean(FILTER, keepdim=True)


def _tau(ends: tuple[float, float], progress: float) -> float:
    """From one end to the other along e^progress."""
    first, last = ends
    return first + (last - first) * math.expm1(progress) / math.expm1(1)


def _quantile(w: Tensor, tau: float) -> Tensor:
    """Of each filter, of a Laplace distribution about 0 with the same mean size."""
    return w.abs().mean(FILTER, keepdim=True) * -math.log(2 - 2 * tau)
