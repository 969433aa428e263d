"""Branch by branch the same numbers come out, bit for bit: only the time may differ."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from programs import random_images, random_program

from kernels.apart import apart
from kernels.case import program
from kernels.engine import Engine
from kernels.ops import BinaryConv
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import Group, abc, branches, layers
from search_spaces.planner import plan

BACKBONE = find_backbone("resnet20+w0.5").sized(12)
GROUPS: dict[str, tuple[Group, ...]] = {
    "groups": (branches(4, 3), branches(5, 2)),
    "layers": (layers(9, 3),),
    "abc": (abc(4, 2, 3), layers(5, 1)),
}


@pytest.mark.parametrize("name", list(GROUPS))
def test_branch_by_branch_the_same_comes_out(name: str) -> None:
    planned = plan(Arch("classify", BACKBONE.name, GROUPS[name], ()), BACKBONE)
    (output,) = planned.outputs
    nodes = [step.node for step in planned.steps]
    whole = program(planned.values, nodes, output, np.random.default_rng(0))
    parted = apart(whole)
    assert any(node.op.pairs > 1 for node in whole.nodes if isinstance(node.op, BinaryConv))
    assert all(node.op.pairs == 1 for node in parted.nodes if isinstance(node.op, BinaryConv))
    images = np.random.default_rng(1).standard_normal((3, 12, 12, 3)).astype(np.float32)
    wanted = Engine(whole, measured=False).run(images)
    np.testing.assert_array_equal(Engine(parted, measured=False).run(images), wanted)


@pytest.mark.parametrize("seed", range(200))
def test_so_it_does_for_any_program(seed: int) -> None:
    whole = random_program(Random(seed), most=8)
    parted, images = apart(whole), random_images(whole, 2, seed)
    wanted = Engine(whole, measured=False).run(images)
    np.testing.assert_array_equal(Engine(parted, measured=False).run(images), wanted)
