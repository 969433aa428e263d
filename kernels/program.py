"""A packed network: its ops, what flows between them, and what each carries. Nothing runs here.

A program is what a search hands over: `kernels.engine` runs it, `kernels.model` keeps it in a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kernels import parameters
from kernels.flow import Use, Value, flow
from kernels.ops import BinaryConv, BinaryLinear, Linear, Op, Stem
from kernels.parameters import Parameters

MOST_NODES = 65_536


class Node(NamedTuple):
    """An op between values.

    reads     what it computes from; a mix may read several values, whose sets follow each other
    residual  what its epilogue (or a skip) adds
    floats    the value it writes as float32, if it does; `bits` the one it writes as signs
    """

    op: Op
    reads: tuple[Use, ...]
    residual: Use | None
    floats: int | None
    bits: int | None

    @property
    def uses(self) -> tuple[Use, ...]:
        return self.reads if self.residual is None else (*self.reads, self.residual)

    @property
    def writes(self) -> tuple[int, ...]:
        return tuple(value for value in (self.floats, self.bits) if value is not None)


class Normal(NamedTuple):
    """How images of whole numbers 0 to 255 become what the network takes: (x - mean) / std.

    Of each channel, as float32; each step is rounded.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def check(self, channels: int) -> None:
        if {len(row) for row in self} != {channels}:
            raise ValueError(f"a mean and a std for each of {channels} channels are wanted")
        for name, row in zip(self._fields, self, strict=True):
            for value in row:
                if not math.isfinite(rounded := _rounded(value)):
                    raise ValueError(f"{name} takes numbers of float32; got {value}")
                if name == "std" and rounded <= 0:
                    raise ValueError(f"std is above 0; got {value}")


def _rounded(value: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Nodes in the order in which they run, and the parameters of each.

    `values` has them all by their number, also numbers that nothing writes. There is one output:
    of a classifier (1, 1, classes), else maps.
    """

    values: tuple[Value, ...]
    nodes: tuple[Node, ...]
    parameters: tuple[Parameters, ...]
    output: int
    normal: Normal | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.nodes) <= MOST_NODES or len(self.parameters) != len(self.nodes):
            raise ValueError(
                f"a program has 1 to {MOST_NODES} nodes and as many parameters; got "
                f"{len(self.nodes)} and {len(self.parameters)}"
            )
        check_flow(self.values, self.nodes, self.output)
        for n, (node, given) in enumerate(zip(self.nodes, self.parameters, strict=True)):
            try:
                parameters.check(node.op, given)
            except ValueError as wrong:
                raise ValueError(f"node {n}: {wrong}") from None
        if self.pixels and self.normal is not None:
            raise ValueError("a stem takes pixels as they are: its program has no mean and std")
        if self.normal is not None:
            self.normal.check(self.image.channels)

    @property
    def image(self) -> Value:
        return self.values[0]

    @property
    def pixels(self) -> bool:
        """Whether images are taken as whole numbers 0 to 255, and not otherwise: by a stem."""
        return reads_pixels(self.nodes)

    @property
    def ops(self) -> tuple[Op, ...]:
        return tuple(node.op for node in self.nodes)

    @property
    def bytes(self) -> int:
        """Of all parameters."""
        return sum(array.nbytes for given in self.parameters for array in given.values())


def check_flow(values: Sequence[Value], nodes: Sequence[Node], output: int) -> None:
    """Everything read was written before, once, and is of the form that the op wants."""
    if not values or values[0].bits or values[0].sets != 1:
        raise ValueError("value 0 is the image: one float map")
    written, pixels = {0}, reads_pixels(nodes)
    for n, node in enumerate(nodes):
        try:
            _check_image(node, pixels)
            for use in node.uses:
                _check_use(use, values, written)
            _check_node(node, values)
            for value in node.writes:
                if not 0 <= value < len(values) or value in written:
                    raise ValueError(f"value {value} cannot be written there")
                written.add(value)
        except ValueError as wrong:
            raise ValueError(f"node {n}: {wrong}") from None
    if output == 0 or output not in written:
        raise ValueError(f"value {output} is the output, and nothing writes it")
    if values[output].bits or values[output].sets != 1:
        raise ValueError(f"the output is one float map; value {output} is {values[output]}")


def reads_pixels(nodes: Sequence[Node]) -> bool:
    return any(isinstance(node.op, Stem) for node in nodes)


def _check_image(node: Node, pixels: bool) -> None:
    image = any(use.value == 0 for use in node.reads)
    if isinstance(node.op, Stem) and not image:
        raise ValueError("a stem reads the image")
    if image and pixels and not isinstance(node.op, Stem):
        raise ValueError("a stem reads the image as pixels, so nothing reads it as float32")


def _check_use(use: Use, values: Sequence[Value], written: set[int]) -> None:
    if use.value not in written:
        raise ValueError(f"it reads value {use.value}, which nothing wrote before")
    if use.first < 0 or use.sets < 1 or use.first + use.sets > values[use.value].sets:
        raise ValueError(f"value {use.value} has {values[use.value].sets} sets; got {use}")


def _check_node(node: Node, values: Sequence[Value]) -> None:
    wants, op = flow(node.op), node.op
    if sum(use.sets for use in node.reads) != wants.reads.sets:
        raise ValueError(
            f"it reads {wants.reads.sets} sets; got {sum(use.sets for use in node.reads)}"
        )
    for use in node.reads:
        same_form(values[use.value], wants.reads, flat=isinstance(op, Linear))
    if len({use.value for use in node.reads}) > 1 and wants.reads.bits:
        raise ValueError("signs that are read together lie in one value")
    if not node.writes:
        raise ValueError("it writes nothing")
    if node.residual is not None and node.residual.value == 0:
        raise ValueError("the image can be read, but not added to another map")
    if (node.residual is None) != (wants.residual is None):
        raise ValueError("a residual where the op adds one, and nowhere else")
    if node.residual is not None and wants.residual is not None:
        if node.residual.sets != wants.residual.sets:
            raise ValueError(f"it adds {wants.residual.sets} sets; got {node.residual}")
        same_form(values[node.residual.value], wants.residual)
    for number, value in ((node.floats, wants.floats), (node.bits, wants.bits)):
        if (number is None) != (value is None):
            raise ValueError("a value for what the op writes, and for nothing else")
        if number is not None and value is not None and 0 <= number < len(values):
            if values[number].sets != value.sets:
                raise ValueError(f"it writes {value.sets} sets; value {number} is otherwise")
            same_form(values[number], value)


def same_form(got: Value, wants: Value, *, flat: bool = False) -> None:
    """But for the sets. `flat`: a map may be read as one long vector."""
    if flat and not got.bits and got.set_bytes == wants.set_bytes:
        return
    if got._replace(sets=1) != wants._replace(sets=1):
        raise ValueError(f"maps like {_text(wants)} are wanted; got {_text(got)}")


def _text(value: Value) -> str:
    kind = "signs" if value.bits else "float32"
    return f"{kind} {value.channels}@{value.height}x{value.width}"


def last_reads(nodes: Sequence[Node], output: int) -> dict[int, int]:
    """For each value that is read, the last node that does; the output is read at the end."""
    last = {use.value: n for n, node in enumerate(nodes) for use in node.uses}
    return last | {output: len(nodes)}


def written_over(
    n: int, node: Node, values: Sequence[Value], last: Mapping[int, int]
) -> int | None:
    """The value whose place the floats of node n take: its residual, which nobody reads afterwards.

    Binary convolutions allow that: whatever the kernel, each number of a residual is read just
    before the one that is written there; but one set that several pairs add is read again. It
    halves the memory that a shortcut keeps busy.
    """
    if not isinstance(node.op, BinaryConv | BinaryLinear) or node.floats is None:
        return None
    if node.residual is None or values[node.residual.value] != values[node.floats]:
        return None
    if node.residual.sets != values[node.floats].sets:
        return None
    return node.residual.value if last[node.residual.value] == n else None
