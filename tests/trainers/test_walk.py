"""A network, its packed program and the NumPy walk over the references answer the same.

For every decomposition, link, skip and backbone.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch

from kernels import bits
from kernels.engine import Engine
from kernels.walk import walk
from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.group import Link, abc, branches, layers, real
from search_spaces.spaces import SPACES
from trainers.export import packed
from trainers.networks.network import Network, network


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
    program = packed(net)
    rng = np.random.default_rng(seed)
    shape = (2, backbone.height, backbone.width, backbone.channels)
    images = rng.integers(-8, 9, shape).astype(np.float32) / 4
    with torch.no_grad():
        answered = net(torch.from_numpy(images).permute(0, 3, 1, 2))
    answered = answered.permute(0, 2, 3, 1) if answered.ndim == 4 else answered
    engine = Engine(program, measured=False)
    ran, wanted = engine.run(images), walk(program, images)
    np.testing.assert_allclose(answered.numpy(), ran, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        ran.reshape(2, -1), wanted[program.output][0].reshape(2, -1), rtol=1e-4, atol=1e-4
    )
    for number, found in engine.values(images).items():
        if program.values[number].bits:
            signs = bits.unpack(found, program.values[number].channels)
            np.testing.assert_array_equal(signs, wanted[number])


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
