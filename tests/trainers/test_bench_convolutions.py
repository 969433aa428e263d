"""The convolutions of a network as a chain: the same ones in our program and in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kernels import choice, timing
from kernels.case import program
from kernels.engine import Engine
from kernels.ops import BinaryConv
from kernels.timing import Runs
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan
from trainers.benches import convolutions as bench
from trainers.benches import twin
from trainers.benches.convolutions import chain, chained, convolutions, in_torch


def convs(backbone: str, size: int) -> list[BinaryConv]:
    planned = plan(find_arch("groupnet-k1", backbone), find_backbone(backbone).sized(size))
    return [op for op in planned.ops if isinstance(op, BinaryConv) and op.kernel > 1]


def test_a_chain_has_every_convolution_bare_and_in_order() -> None:
    ops = convs("resnet18", 64)
    made = chain(ops)
    assert len(ops) == 16
    for n, (node, op) in enumerate(zip(made.nodes[1:], ops, strict=True)):
        assert isinstance(node.op, BinaryConv)
        assert (node.op.height, node.op.channels, node.op.filters, node.op.stride) == (
            *(op.height, op.channels, op.filters),
            op.stride,
        )
        assert node.op.after.signs == (n < 15)
        assert node.residual is None
        assert [use.value for use in node.reads] == [n + 1]


def test_torch_has_the_same_chain() -> None:
    ops = convs("resnet20", 12)
    images = torch.randn(2, 12, 12, 16)
    ours = Engine(chain(ops), measured=False).run(images.numpy())
    with torch.inference_mode():
        theirs = in_torch(ops)(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert ours.shape == tuple(theirs.shape)
    made = [m for m in in_torch(ops) if isinstance(m, nn.Conv2d)]
    assert sum(m.weight.numel() for m in made) == sum(
        op.kernel**2 * op.channels * op.filters for op in ops
    )


@pytest.mark.parametrize("backbone", ["vgg-small", "mobilenet"])
def test_convolutions_with_a_pool_or_another_between_are_no_chain(backbone: str) -> None:
    assert not chained(convs(backbone, 32))


@pytest.mark.parametrize(("backbone", "forms"), [("resnet8", 2), ("vgg-small", 1)])
def test_each_form_ends_with_its_ratio(
    backbone: str, forms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def eager(name: str, module: nn.Module, images: torch.Tensor) -> dict[str, Runs]:
        return {name: timing.repeated(lambda: module(images))}  # without minutes of compiling

    monkeypatch.setattr(twin, "eager_and_frozen", eager)
    for where in (bench, choice):
        monkeypatch.setattr(where, "PATIENCE_S", 0)
        monkeypatch.setattr(where, "ROUNDS", 3)
    space = find_backbone(backbone).sized(16)
    planned = plan(find_arch("groupnet-k1", backbone), space)
    nodes = [step.node for step in planned.steps]
    made = program(planned.values, nodes, planned.outputs[0], np.random.default_rng(0))
    images = np.zeros((1, 16, 16, space.channels), np.float32)
    lines = list(convolutions(Engine(made, measured=False), images, rounds=1))
    assert sum(line.endswith("of float32") for line in lines) == forms
    assert any("no chain" in line for line in lines) == (forms == 1)
