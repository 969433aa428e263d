"""Small programs for other machines: of every structure and backbone, of ties and of groups."""

from __future__ import annotations

from functools import cache

import numpy as np
from programs import small

from kernels.case import program
from kernels.flow import Use, Value
from kernels.ops import RealConv
from kernels.program import Node, Normal, Program
from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import BACKBONES, find_backbone
from search_spaces.group import Link, abc, branches, layers, real
from search_spaces.known import find_arch
from search_spaces.planner import plan

LINKED = (branches(3, 3), branches(3, 2, Link.GATE), branches(3, 3, Link.ROUTE))
MIXED = (branches(3, 2, rates=(1, 2)), layers(3, 2), abc(2, 2, 2), real(1))

STRUCTURES = {
    "groupnet": ("resnet20+w0.5", LINKED, ()),
    "skips": ("resnet20+w0.5+rprelu+rsign", LINKED, ((0, 2),)),
    "mixed": ("resnet20+w0.5+lambda+free-down", MIXED, ()),
    "abcnet": ("digits", (abc(3, 3, 2),), ()),
    "bireal": ("digits+no-relu+real-down", (branches(1, 1),) * 3, ()),
}


@cache
def planned(name: str, classes: int | None = None) -> Program:
    backbone, groups, skips = STRUCTURES[name]
    form = find_backbone(backbone).sized(12, classes=classes)
    return _drawn(Arch("classify", form.name, groups, skips), form)


def of_backbone(name: str) -> Program:
    """One base, a tenth as wide, on images of 32x32 at most."""
    arch = find_arch("groupnet-k1", f"{name}+w0.1")
    size = min(BACKBONES[name].height, 32)
    return _drawn(arch, find_backbone(arch.backbone).sized(size, classes=7))


def _drawn(arch: Arch, form: Backbone) -> Program:
    """It takes pixels."""
    steps = plan(arch, form)
    (output,) = steps.outputs
    nodes = [step.node for step in steps.steps]
    drawn = program(steps.values, nodes, output, np.random.default_rng(3))
    rows = [(20.0 * c + 100.1, 5.0 * c + 60.2) for c in range(form.channels)]
    mean, std = zip(*rows, strict=True)
    return Program(drawn.values, drawn.nodes, drawn.parameters, output, Normal(mean, std))


def tied(*, above: bool = False) -> Program:
    """Every number is its own threshold where signs are taken; or, `above`, just below it."""
    whole = small()
    first, *others = (dict(some) for some in whole.parameters)
    first["weights"] = np.zeros_like(first["weights"])
    first["thresholds"] = first["shift"][None]
    if above:
        first["thresholds"] = np.nextafter(first["thresholds"], np.float32(np.inf))
    return Program(whole.values, whole.nodes, (first, *others), whole.output, whole.normal)


def grouped() -> Program:
    """Real convolutions in groups: some channels to some filters, and each to two of its own."""
    size = {"height": 6, "width": 5, "channels": 6, "filters": 12, "padding": 1}
    first = RealConv(**size, groups=3)
    second = RealConv(**{**size, "channels": 12, "filters": 24}, dilation=2, stride=2, groups=12)
    values = (
        Value(False, 1, 6, 5, 6),
        Value(False, 1, 6, 5, 12),
        Value(False, 1, second.out_height, second.out_width, 24),
    )
    nodes = tuple(
        Node(op, (Use(n, 0, 1),), None, n + 1, None) for n, op in enumerate((first, second))
    )
    return program(values, nodes, 2, np.random.default_rng(0))
