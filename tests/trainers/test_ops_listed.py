"""What `python -m search_spaces ops` lists for another machine is what a search here asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernels.op_data import read_ops
from kernels.ops import Op
from search_spaces.__main__ import main
from search_spaces.backbones import find_backbone
from search_spaces.emitted import emitted
from search_spaces.known import KNOWN, known
from search_spaces.planner import plan
from search_spaces.spaces import find_space
from trainers.data.images import in_memory
from trainers.data.sets import DataSet, load
from trainers.job import fitted


def wanted(backbone: str, data: DataSet) -> set[Op]:
    """Of the space, and of known architectures, each on its own backbone for these images."""
    space = find_space("groupnet", backbone)
    space = replace(space, backbone=fitted(space.backbone, data))
    found = set(emitted(space).ops)
    for name in KNOWN:
        arch = known(name, space.backbone)
        found.update(plan(arch, fitted(find_backbone(arch.backbone), data)).ops)
    return found


def images(size: int, channels: int, classes: int) -> DataSet:
    names = tuple(map(str, range(classes)))
    pixels = np.zeros((classes, size, size, channels), np.uint8)
    part = in_memory(pixels, np.arange(classes), names)
    return replace(load("digits"), classes=names, train=part.images)


@pytest.mark.parametrize(
    ("backbone", "data", "options"),
    [
        ("digits+w0.25", load("digits"), ()),
        ("resnet20", images(32, 3, 10), ()),  # CIFAR-10's
        ("resnet20", images(24, 1, 7), ("--size", "24", "--channels", "1", "--classes", "7")),
    ],
    ids=["digits", "cifar10", "other sizes"],
)
def test_every_op_of_a_search_is_listed_once(
    backbone: str, data: DataSet, options: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "ops.json"
    assert main(["ops", "groupnet", "--backbone", backbone, *options, "-o", str(file)]) == 0
    listed = read_ops(file)
    assert len(listed) == len({*listed})
    assert {*listed} == wanted(backbone, data)
