"""What a network answers is its plan, walked in NumPy over the references of its ops."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kernels import real_reference, reference
from kernels.binary import Constants
from kernels.ops import (
    Affine,
    BinaryConv,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Pack,
    Pool,
    RealConv,
    Resize,
    Skip,
)
from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.group import Link, abc, branches, layers, real
from search_spaces.plan import Step, Use
from search_spaces.spaces import SPACES
from trainers import epilogue
from trainers.abc import thresholds as abc_thresholds
from trainers.abc import weight_bases
from trainers.network import Network, network, signs_of

Array = NDArray[Any]


@torch.no_grad()
def walk(net: Network, images: Array) -> Array:
    values: dict[int, Array] = {0: images[None]}

    def part(use: Use) -> Array:
        return values[use.value][use.first : use.first + use.sets]

    for step in net.plan.steps:
        x = np.concatenate([part(use) for use in step.reads])
        residual = None if step.residual is None else part(step.residual)
        y = computed(step, net, x, residual)
        if step.floats is not None:
            values[step.floats] = y
        if step.bits is not None:
            signs = reference.signs(step.op, y, Constants(thresholds=levels(step, net, y)))  # type: ignore[arg-type]
            values[step.bits] = signs.reshape(-1, *signs.shape[2:])
    (output,) = net.plan.outputs
    return values[output][0].reshape(len(images), -1)


def computed(step: Step, net: Network, x: Array, residual: Array | None) -> Array:
    op, bank = step.op, net.bank
    weight = None
    if step.source is not None and not isinstance(op, Mix):
        rows = bank.rows if isinstance(op, BinaryConv) else bank.whole
        weight = rows(step.source, "weight").detach()
    match op:
        case BinaryConv():
            assert weight is not None
            assert step.source is not None
            scales = alphas = None
            if step.source.latent:
                w, alphas = weight_bases(weight[0], op.bases)
            else:
                w, scales = net.binarizer.signs(weight), net.binarizer.scales(weight, None)
            d = reference.dots(op, x.astype(np.int8), w.numpy().astype(np.int8))
            c = epilogue.fold(step, op, bank, scales, alphas).constants()
            return reference.epilogue(op, d, c, residual)
        case RealConv():
            assert weight is not None
            sums = real_reference.real_conv(op, x, weight.numpy())
            c = epilogue.fold(step, op, bank, None).constants()
            return reference.epilogue(op, sums, c, residual)
        case Affine():
            c = epilogue.fold(step, op, bank, None).constants()
            return reference.epilogue(op, x, c, residual)
        case Mix():
            return mixed(step, op, net, x)
        case Skip():
            return real_reference.skip(op, x, residual)
        case Pool():
            return real_reference.pool(op, x)
        case GlobalPool():
            return real_reference.global_pool(op, x)
        case Resize():
            return real_reference.resize(op, x)
        case Linear():
            assert weight is not None
            assert step.source is not None
            bias = bank.whole(step.source, "bias").detach().numpy()
            flat = x[0].reshape(x.shape[1], -1)
            return real_reference.linear(op, flat, weight.numpy(), bias)[None, :, None, None]
        case Pack():
            return x
        case _:
            raise AssertionError(op)


def mixed(step: Step, op: Mix, net: Network, x: Array) -> Array:
    sums = blend = None
    if step.scales is not None:
        sums = (net.bank.rows(step.scales, "factor") / op.inputs).numpy()
    if op.kind is Blend.GATE:
        assert step.source is not None
        theta = net.bank.whole(step.source, "theta")[: min(op.inputs, op.outputs)]
        blend = torch.sigmoid(theta).numpy()
    if op.kind is Blend.ROUTE:
        assert step.source is not None
        mixing = net.bank.whole(step.source, "mixing")[: op.outputs, : op.inputs]
        blend = (mixing + 1 / op.inputs).numpy()
    return real_reference.mix(op, x, blend=blend, sums=sums)


def levels(step: Step, net: Network, y: Array) -> Array:
    """(sets, signs, channels)"""
    shape = (len(y), signs_of(step), y.shape[-1])
    if step.thresholds is None:
        return np.zeros(shape, np.float32)
    if step.thresholds.latent:
        shifts = net.bank.whole(step.thresholds, "shifts")[: shape[1]]
        return np.broadcast_to(abc_thresholds(shifts).numpy()[:, None], shape)
    rows = net.bank.rows(step.thresholds, "threshold").numpy()
    return np.broadcast_to(rows[:, None], shape)


def moved(net: Network, seed: int) -> None:
    """Everything elsewhere than it starts; the stem's sums are exact, so they round nowhere."""
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        off = torch.rand(tensor.shape, generator=rng)
        if name.endswith("variance"):
            tensor.copy_(50 * (off + 0.5))
        elif name.startswith("bank.stem") and name.endswith("weight"):
            tensor.copy_((tensor * 64).round() / 64)
        else:
            tensor.copy_(tensor + 0.3 * (off - 0.5))


def same(arch: Arch, backbone: Backbone, seed: int = 0) -> None:
    net = network(arch, backbone, seed=seed)
    moved(net, seed)
    rng = np.random.default_rng(seed)
    shape = (2, backbone.height, backbone.width, backbone.channels)
    images = rng.integers(-8, 9, shape).astype(np.float32) / 4
    with torch.no_grad():
        got = net(torch.from_numpy(images).permute(0, 3, 1, 2))
    got = got.permute(0, 2, 3, 1) if got.ndim == 4 else got
    wanted = walk(net, images)
    np.testing.assert_allclose(got.flatten(1).numpy(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("style", ["digits", "digits+rprelu+rsign+lambda", "digits+free-down"])
@pytest.mark.parametrize("name", list(SPACES))
def test_any_architecture_of_a_space(name: str, style: str) -> None:
    space = SPACES[name](find_backbone(style))
    rng = Random(name + style)
    for seed in range(6):
        same(space.decode(space.sample(rng)), space.backbone, seed)


SMALL = find_backbone("resnet20+w0.5").sized(12)
GROUPS = {
    "gates and a skip": ((branches(2, 3), branches(3, 2, Link.GATE), branches(4, 4)), ((0, 2),)),
    "a route": ((branches(4, 2), branches(5, 3, Link.ROUTE)), ()),
    "rates": ((branches(4, 3, rates=(1, 2, 2)), branches(5, 1)), ()),
    "layers and abc": ((layers(4, 3), abc(5, 2, 3)), ()),
    "some of it real": ((real(3), branches(6, 2)), ()),
}


@pytest.mark.parametrize("groups", list(GROUPS))
def test_every_way_to_build_a_residual_network(groups: str) -> None:
    same(Arch("classify", SMALL.name, *GROUPS[groups]), SMALL)


@pytest.mark.parametrize(
    ("name", "size"), [("vgg-small+w0.1", 16), ("mobilenet+w0.25", 32), ("resnet50+w0.1", 32)]
)
def test_other_backbones(name: str, size: int) -> None:
    backbone = find_backbone(name).sized(size, classes=5)
    blocks = len(backbone.blocks)
    same(Arch("classify", name, (branches(1, 2), branches(blocks - 1, 3)), ()), backbone)


def test_a_network_that_answers_with_maps() -> None:
    backbone = find_backbone("digits").sized(classes=3)
    same(Arch("segment", "digits", (branches(2, 2), branches(1, 2)), ()), backbone)
