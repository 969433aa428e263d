"""Convolutions that learn in the core learn what their torch twins do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.ops import BinaryConv, Blend, Curve, Epilogue, Mix, Residual
from search_spaces.arch import Arch
from search_spaces.backbone import Backbone, Stem
from search_spaces.backbones import basic, stages
from search_spaces.group import Link, branches
from trainers.learning.calibrate import calibrate
from trainers.networks import fused, layers
from trainers.networks.binarize import Binarizer, Estimator, sign
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.layers import Maps
from trainers.networks.mode import Mode
from trainers.networks.network import network
from trainers.networks.norms import Norm, batch_norm

LEARN = Mode(statistics=0.1)
RELU = Epilogue(floats=True, inner=Curve.RELU, residual=Residual.EACH)
NONE = Epilogue(floats=True)
OPS = {
    "branches": BinaryConv(
        height=8, width=8, channels=16, filters=16, padding=1, inputs=3, bases=3, own=True,
        after=RELU,
    ),
    "one input": BinaryConv(
        height=9, width=7, channels=16, filters=32, stride=2, bases=3, after=RELU
    ),
    "M x N": BinaryConv(
        height=8, width=8, channels=16, filters=16, padding=1, inputs=2, bases=2, after=RELU
    ),
    "down": BinaryConv(
        height=8, width=8, channels=16, filters=32, kernel=1, stride=2, inputs=3, after=NONE
    ),
    "a pixel": BinaryConv(height=1, width=1, channels=16, filters=16, kernel=1, after=RELU),
}  # fmt: skip


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class Given:
    """Tensors for a convolution, and what came of them: maps, gradients, running statistics."""

    def __init__(self, op: BinaryConv, shortcut: bool, joint: bool, dtype: torch.dtype) -> None:
        rng = torch.Generator().manual_seed(0)

        def learnt(*shape: int) -> Tensor:
            return torch.randn(shape, generator=rng).to(dtype)

        self.op, norms = op, 1 if joint else op.pairs
        size, out = (op.height, op.width), (op.out_height, op.out_width)
        self.x = [last(learnt(20, op.channels, *size)).requires_grad_() for _ in range(op.inputs)]
        w = learnt(op.bases, op.filters, op.kernel, op.kernel, op.channels)
        scale = learnt(op.bases, op.filters)[..., None, None, None]
        self.weights = (torch.where(w < 0, -1.0, 1.0) * scale).to(dtype).requires_grad_()
        self.parts = [learnt(2, op.filters).requires_grad_() for _ in range(norms)]
        self.running = [torch.zeros(2, op.filters, dtype=dtype) for _ in range(norms)]
        self.norms = [Norm(*a, *b) for a, b in zip(self.parts, self.running, strict=True)]
        self.residual: Maps | None = None
        if op.after.residual is Residual.EACH:
            apart = [learnt(20, op.filters, *out).requires_grad_() for _ in range(op.pairs)]
            self.residual = self.x if shortcut else apart
        self.wish = [learnt(20, op.filters, *out) for _ in range(op.pairs)]

    def found(self, maps: Maps) -> dict[str, Tensor]:
        torch.stack(
            [(y * wish).sum() for y, wish in zip(maps, self.wish, strict=True)]
        ).sum().backward()  # type: ignore[no-untyped-call]
        named = {"x": self.x, "weights": [self.weights], "norms": self.parts}
        named |= {"residual": self.residual or []}
        grads = {f"{n}{i}": p.grad for n, part in named.items() for i, p in enumerate(part)}
        found = {name: grad for name, grad in grads.items() if grad is not None}
        assert len(found) == len(grads)
        found |= {f"map{n}": y.detach() for n, y in enumerate(maps)}
        return found | {f"running{n}": r for n, r in enumerate(self.running)}


def twin(given: Given, estimator: Estimator) -> Maps:
    op, norms = given.op, given.norms
    signs = [sign(a, estimator) for a in given.x]
    y = layers.binary_conv(op, signs, given.weights)
    y = [F.relu(a) for a in y] if op.after.inner is Curve.RELU else y
    if len(norms) < len(y):
        y = list(batch_norm(torch.cat(y), norms[0], 0.1).chunk(len(y)))
    else:
        y = [batch_norm(a, norm, 0.1) for a, norm in zip(y, norms, strict=True)]
    return y if given.residual is None else [a + r for a, r in zip(y, given.residual, strict=True)]


def ours(given: Given, estimator: Estimator) -> Maps:
    args = (given.op, given.x, estimator, given.weights, given.norms, given.residual, 0.1)
    return fused.convolved(*args)


@pytest.mark.parametrize("name", list(OPS))
@pytest.mark.parametrize("estimator", fused.ESTIMATORS)
@pytest.mark.parametrize("shortcut", [False, True])
def test_a_convolution_learns_as_its_twin_does_in_float64(
    name: str, estimator: Estimator, shortcut: bool
) -> None:
    op, joint = OPS[name], name == "down"
    shortcut = shortcut and name in ("branches", "a pixel")
    got = Given(op, shortcut, joint, torch.float32)
    wide = Given(op, shortcut, joint, torch.float64)
    found, wanted = got.found(ours(got, estimator)), wide.found(twin(wide, estimator))
    assert set(found) == set(wanted)
    for part, want in wanted.items():
        apart = (found[part].double() - want).abs().max() / want.abs().max().clamp(min=1e-3)
        assert apart < 1e-5, f"{part}: {apart:.1e}"


def test_the_bits_are_the_same_on_any_number_of_threads() -> None:
    runs = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        given = Given(OPS["branches"], True, False, torch.float32)
        runs.append(given.found(ours(given, Estimator.POLYNOMIAL)))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize(
    ("kind", "outputs"),
    [(Blend.MEAN, 1), (Blend.LAMBDA, 1), (Blend.GATE, 2), (Blend.GATE, 5), (Blend.ROUTE, 2)],
)
@pytest.mark.parametrize("channels", [16, 11])
def test_a_mix_learns_as_its_twin_does(
    kind: Blend, outputs: int, sums: bool, channels: int
) -> None:
    """Also where a map, here 4 x 3 x 5 x 11 numbers, does not fill whole vectors."""
    op = Mix(kind=kind, height=3, width=5, channels=channels, inputs=3, outputs=outputs)
    found = []
    for mix in (fused.mixed, layers.mix):
        rng = torch.Generator().manual_seed(0)
        size = (4, channels, 3, 5)
        maps = [torch.randn(size, generator=rng).requires_grad_() for _ in range(3)]
        shape = {Blend.GATE: (min(outputs, 3),), Blend.ROUTE: (outputs, 3)}.get(kind)
        blend = None if shape is None else torch.randn(shape, generator=rng).requires_grad_()
        weighed = sums or kind is Blend.LAMBDA
        factors = torch.randn(3, generator=rng).requires_grad_() if weighed else None
        out = mix(op, maps, blend=blend, sums=factors)
        wish = torch.randn(outputs, *size, generator=rng)
        (torch.stack(out) * wish).sum().backward()  # type: ignore[no-untyped-call]
        learnt = [*maps, *[p for p in (blend, factors) if p is not None]]
        found.append([*out, *[p.grad for p in learnt]])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-4)


def test_only_float32_that_takes_statistics_with_signs_is_served() -> None:
    x = torch.zeros(1, 16, 2, 2)
    assert fused.serves(x, LEARN)
    assert not fused.serves(x.double(), LEARN)
    assert not fused.serves(x.bfloat16(), LEARN)
    for other in ({"statistics": None}, {"signs": False}, {"binary": False}):
        assert not fused.serves(x, replace(LEARN, **other))
    with torch.no_grad():  # as a candidate's statistics are
        assert fused.serves(x, LEARN)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fused.serves(x, LEARN)


def test_a_backbone_of_any_width_is_calibrated_on_any_number_of_images() -> None:
    backbone = Backbone(
        name="odd", stem=Stem(filters=12), blocks=stages(basic, (12, 20, 36), (1, 1, 1)),
        height=5, width=5, channels=1, classes=3,
    )  # fmt: skip
    groups = (branches(1, 3), branches(1, 2, Link.GATE), branches(1, 4, Link.ROUTE))
    net = network(Arch("classify", "odd", groups, ()), backbone)
    images = torch.randn(259, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert calibrate(net, [images])(images).isfinite().all()
    net(images, LEARN).square().mean().backward()


NETWORKS = {
    "branches": (branches(1, 3), branches(1, 2, Link.GATE), branches(1, 4, Link.ROUTE)),
    "meeting": (branches(1, 2), branches(1, 3, Link.MEAN), branches(1, 1)),
}
PLAIN = BINARIZERS["plain"]
METHODS = {"annealed": replace(PLAIN, activation=Estimator.ANNEALED), "plain": PLAIN}
METHODS["groupnet"] = BINARIZERS["groupnet"]


def learnt(arch: Arch, binarizer: Binarizer, dtype: torch.dtype) -> dict[str, Tensor]:
    """All weights of a size that products are exact with: else torch finds some that are not 0
    where they are, and they have a gradient behind the ReLU.
    """
    net = network(arch, None, binarizer)
    for name, parameter in net.named_parameters():
        if name.startswith("bank.block") and name.endswith("weight"):
            parameter.data = torch.where(parameter < 0, -0.125, 0.125)
    images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    loss = net.to(dtype)(images.to(dtype), LEARN).square().mean()
    loss.backward()
    found = {f"{n} gradient": p.grad for n, p in net.named_parameters() if p.grad is not None}
    return found | dict(net.named_buffers()) | {"loss": loss.detach()}


@pytest.mark.parametrize(
    ("groups", "style", "method"),
    [
        ("branches", "digits", "groupnet"),
        ("meeting", "digits", "groupnet"),
        ("meeting", "digits", "annealed"),
        ("branches", "digits", "plain"),
        ("branches", "digits+rprelu+rsign+lambda", "groupnet"),
    ],
)
def test_a_network_learns_as_its_twin_does_in_float64(groups: str, style: str, method: str) -> None:
    arch = Arch("classify", style, NETWORKS[groups], ())
    got, wanted = (learnt(arch, METHODS[method], dtype) for dtype in (torch.float32, torch.float64))
    assert set(got) == set(wanted)
    for name, want in wanted.items():
        apart = (got[name].double() - want).norm() / want.norm().clamp(min=1e-3)
        assert apart < 1e-4, f"{name}: {apart:.1e}"
