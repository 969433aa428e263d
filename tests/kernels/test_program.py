"""A program is refused where its flow is broken, and its refusal says where."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from kernels.epilogue import RAW, Epilogue, Residual
from kernels.flow import Use, Value, flow
from kernels.ops import BinaryConv, Blend, GlobalPool, Linear, Mix, Pack, RealConv
from kernels.parameters import Array, wanted
from kernels.program import Node, Normal, Program

STEM = RealConv(
    height=8, width=8, channels=3, filters=16, padding=1, after=Epilogue(floats=True, signs=1)
)
BODY = BinaryConv(
    height=8,
    width=8,
    channels=16,
    filters=16,
    padding=1,
    bases=2,
    after=Epilogue(floats=True, sum=True, residual=Residual.ONE),
)
RAW_BODY = replace(BODY, after=RAW)
POOL = GlobalPool(height=8, width=8, channels=16)
HEAD = Linear(channels=16, filters=10)
VALUES = (
    Value(False, 1, 8, 8, 3),
    Value(False, 1, 8, 8, 16),
    Value(True, 1, 8, 8, 16),
    Value(False, 1, 8, 8, 16),
    Value(False, 1, 1, 1, 16),
    Value(False, 1, 1, 1, 10),
)
NODES = (
    Node(STEM, (Use(0, 0, 1),), None, 1, 2),
    Node(BODY, (Use(2, 0, 1),), Use(1, 0, 1), 3, None),
    Node(POOL, (Use(3, 0, 1),), None, 4, None),
    Node(HEAD, (Use(4, 0, 1),), None, 5, None),
)


def zeros(op: object) -> dict[str, Array]:
    return {name: np.zeros(w.shape, w.dtype) for name, w in wanted(op).items()}  # type: ignore[arg-type]


GOOD = Program(VALUES, NODES, tuple(zeros(node.op) for node in NODES), 5)


def with_node(n: int, node: Node) -> None:
    nodes = (*NODES[:n], node, *NODES[n + 1 :])
    Program(VALUES, nodes, tuple(zeros(node.op) for node in nodes), 5)


def test_a_program_counts_its_parameters() -> None:
    floats = 16 * 27 + 2 * 16 + 16 + 4 * 16 + 10 * 16 + 10
    assert GOOD.bytes == 4 * floats + 2 * 16 * 9 * 2
    assert GOOD.image == VALUES[0]


@pytest.mark.parametrize(
    ("n", "change", "says"),
    [
        (1, {"reads": (Use(3, 0, 1),)}, "node 1: it reads value 3, which nothing wrote before"),
        (1, {"reads": (Use(1, 0, 1),)}, "node 1: maps like signs 16@8x8 are wanted; got float32"),
        (1, {"reads": (Use(2, 0, 2),)}, "node 1: value 2 has 1 sets"),
        (1, {"reads": (Use(2, -1, 1),)}, "node 1: value 2 has 1 sets"),
        (1, {"reads": (Use(2, 0, 1), Use(2, 0, 1))}, "node 1: it reads 1 sets"),
        (1, {"residual": None}, "node 1: a residual where"),
        (1, {"residual": Use(0, 0, 1)}, "the image can be read, but not added"),
        (1, {"residual": Use(4, 0, 1)}, "it reads value 4, which nothing wrote before"),
        (1, {"op": RAW_BODY, "residual": None, "floats": None}, "it writes nothing"),
        (1, {"bits": 4}, "node 1: a value for what the op writes"),
        (1, {"floats": 1}, "node 1: value 1 cannot be written there"),
        (1, {"floats": 77}, "node 1: value 77 cannot be written there"),
        (2, {"floats": 5}, "node 2: maps like float32 16@1x1 are wanted; got float32 10@1x1"),
        (3, {"reads": (Use(3, 0, 1),)}, "maps like float32 16@1x1 are wanted; got float32 16@8x8"),
    ],
)  # fmt: skip
def test_a_broken_flow_is_refused(n: int, change: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        with_node(n, NODES[n]._replace(**change))  # type: ignore[arg-type]


def test_a_program_ends_with_an_output_that_is_written() -> None:
    for output, says in (
        (6, "nothing writes it"),
        (0, "nothing writes it"),
        (2, "the output is one float map"),
    ):
        with pytest.raises(ValueError, match=says):
            replace(GOOD, output=output)


def test_parameters_are_those_of_the_op() -> None:
    short = {name: array for name, array in GOOD.parameters[0].items() if name != "shift"}
    wrong = {**GOOD.parameters[0], "scale": np.zeros((1, 15), np.float32)}
    more = {**GOOD.parameters[2], "bias": np.zeros(16, np.float32)}
    for n, given, says in (
        (0, short, r"node 0: RealConv lacks its shift, float32\(1, 16\)"),
        (0, wrong, r"node 0: scale of a RealConv are float32\(1, 16\); got float32\(1, 15\)"),
        (2, more, "node 2: GlobalPool has no bias; it carries none"),
    ):
        rows = (*GOOD.parameters[:n], given, *GOOD.parameters[n + 1 :])
        with pytest.raises(ValueError, match=says):
            replace(GOOD, parameters=rows)


def test_a_rule_for_images_has_a_number_for_each_channel() -> None:
    replace(GOOD, normal=Normal((0.0,) * 3, (1.0,) * 3))
    with pytest.raises(ValueError, match="each of 3 channels"):
        replace(GOOD, normal=Normal((0.0,) * 3, (1.0,)))
    for mean, std, says in (
        (math.nan, 1.0, "mean takes numbers of float32; got nan"),
        (0.0, 1e39, r"std takes numbers of float32; got 1e\+39"),
        (0.0, 1e-60, "std is above 0; got 1e-60"),
    ):
        with pytest.raises(ValueError, match=says):
            replace(GOOD, normal=Normal((mean,) * 3, (std,) * 3))


def test_what_flows_is_counted_in_sets() -> None:
    two = BinaryConv(
        height=4, width=4, channels=8, filters=8, bases=3, inputs=2, after=Epilogue(signs=2)
    )
    assert flow(two).bits == Value(True, 12, 2, 2, 8)
    mixed = Mix(kind=Blend.ROUTE, height=4, width=4, channels=8, inputs=2, outputs=3, signs=1)
    assert flow(mixed)[2:] == (Value(False, 3, 4, 4, 8), Value(True, 3, 4, 4, 8))
    assert flow(Pack(height=4, width=4, channels=8, sets=2, signs=3)).bits == Value(
        True, 6, 4, 4, 8
    )
