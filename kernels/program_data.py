"""A program without its parameters, as plain data for JSON, and back.

Of the values only the image is written: what an op writes follows from the op.
"""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr as brief
from typing import Any, NamedTuple

from kernels import op_data
from kernels.flow import Use, Value, flow
from kernels.op_data import exactly
from kernels.program import MOST_NODES, Node, Normal, Program, check_flow

UNWRITTEN = Value(False, 1, 1, 1, 1)  # stands at numbers that nothing writes
NUMBERS = 4  # a program has at most so many times as many values as nodes
LARGEST = 1 << 30
KEYS = ("image", "nodes", "output", "normal")


class Outline(NamedTuple):
    values: tuple[Value, ...]
    nodes: tuple[Node, ...]
    output: int
    normal: Normal | None


def to_data(program: Program) -> dict[str, Any]:
    normal, image = program.normal, program.image
    return {
        "image": [image.height, image.width, image.channels],
        "nodes": [_node_data(node) for node in program.nodes],
        "output": program.output,
        "normal": normal and {name: list(map(float, row)) for name, row in _rows(normal)},
    }


def from_data(data: Any) -> Outline:
    """One that holds: what is read was written, and is of the form that the op wants."""
    given = exactly(data, KEYS, "a program")
    entries = given["nodes"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_NODES:
        raise ValueError(f"nodes are a list of 1 to {MOST_NODES}; got {brief(entries)}")
    nodes = tuple(_node(n, entry, NUMBERS * len(entries)) for n, entry in enumerate(entries))
    image = Value(False, 1, *_wholes(given["image"], (1, 1, 1), "image"))
    normal = None if given["normal"] is None else _normal(given["normal"], image.channels)
    output = _whole(given["output"], 0, "output")
    values = _values(image, nodes)
    check_flow(values, nodes, output)
    return Outline(values, nodes, output, normal)


def _node_data(node: Node) -> dict[str, Any]:
    return {**node._asdict(), "op": op_data.to_data(node.op)}


def _node(n: int, data: Any, most: int) -> Node:
    try:
        given = exactly(data, Node._fields, "it")
        reads, residual = given["reads"], given["residual"]
        if not isinstance(reads, list):
            raise ValueError(f"reads are a list; got {brief(reads)}")
        return Node(
            op=op_data.from_data(given["op"]),
            reads=tuple(_use(use, "a read") for use in reads),
            residual=None if residual is None else _use(residual, "residual"),
            floats=_number(given["floats"], most, "floats"),
            bits=_number(given["bits"], most, "bits"),
        )
    except ValueError as wrong:
        raise ValueError(f"node {n}: {wrong}") from wrong


def _use(data: Any, what: str) -> Use:
    return Use(*_wholes(data, (0, 0, 1), what))


def _number(value: Any, most: int, what: str) -> int | None:
    return None if value is None else _whole(value, 0, what, most)


def _wholes(data: Any, least: Sequence[int], what: str) -> list[int]:
    if not isinstance(data, list) or len(data) != len(least):
        raise ValueError(f"{what} is a list of {len(least)} whole numbers; got {brief(data)}")
    return [_whole(value, low, what) for value, low in zip(data, least, strict=True)]


def _whole(value: Any, low: int, what: str, high: int = LARGEST) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{what} takes whole numbers of {low} to {high}; got {brief(value)}")
    return value


def _rows(normal: Normal) -> list[tuple[str, tuple[float, ...]]]:
    return list(zip(Normal._fields, normal, strict=True))


def _normal(data: Any, channels: int) -> Normal:
    given = exactly(data, Normal._fields, "normal")
    for name, row in given.items():
        if not isinstance(row, list) or len(row) != channels:
            raise ValueError(f"{name} is a list of {channels} numbers; got {brief(row)}")
        for value in row:
            if type(value) is not float:
                raise ValueError(f"{name} takes numbers of float32; got {brief(value)}")
    normal = Normal(tuple(given["mean"]), tuple(given["std"]))
    normal.check(channels)
    return normal


def _values(image: Value, nodes: Sequence[Node]) -> tuple[Value, ...]:
    values = {0: image}
    for node in nodes:
        wants = flow(node.op)
        for number, value in ((node.floats, wants.floats), (node.bits, wants.bits)):
            if number is not None and value is not None:
                values.setdefault(number, value)  # one that is written twice, `check_flow` finds
    return tuple(values.get(number, UNWRITTEN) for number in range(max(values) + 1))
