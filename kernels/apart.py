"""The same program branch by branch: each base a convolution of its own, summed in another pass.

It computes the same numbers, bit for bit, and is how one would write it without ops that know of
bases. It is there to be timed beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kernels.epilogue import Curve, Residual
from kernels.flow import Use, Value, flow
from kernels.ops import Affine, BinaryConv, BinaryLinear, Op
from kernels.parameters import Parameters
from kernels.program import Node, Program

OF_PAIRS = ("scale", "shift", "slope", "each")  # a row of these for each pair
OF_SETS = ("before", "curve", "after", "thresholds")


def apart(program: Program) -> Program:
    """Where several pairs of inputs and bases meet in one op, an op for each."""
    taken = _Apart(program)
    for node, given in zip(program.nodes, program.parameters, strict=True):
        if isinstance(node.op, BinaryConv | BinaryLinear) and node.op.as_conv().pairs > 1:
            taken.split(node, node.op.as_conv(), given)
        else:
            taken.keep(node, given)
    return Program(
        tuple(taken.values), tuple(taken.nodes), tuple(taken.given), program.output, program.normal
    )


class _Apart:
    """`parts` says of a value whose sets were written together where each of them is now."""

    def __init__(self, program: Program) -> None:
        self.values: list[Value] = list(program.values)
        self.nodes: list[Node] = []
        self.given: list[Parameters] = []
        self.parts: dict[int, list[Use]] = {}

    def keep(self, node: Node, given: Parameters) -> None:
        reads = tuple(part for use in node.reads for part in self._now(use))
        residual = None if node.residual is None else self._one(node.residual)
        self.nodes.append(node._replace(reads=reads, residual=residual))
        self.given.append(given)

    def split(self, node: Node, op: BinaryConv, given: Parameters) -> None:
        after = op.after
        if after.sum:  # what is done before the sum
            each = after.residual if after.residual is Residual.EACH else Residual.NONE
            after = replace(after, sum=False, residual=each, outer=None, signs=0, floats=True)
        alone = replace(op, inputs=1, bases=1, own=False, after=after)
        names = OF_PAIRS if op.after.sum else (*OF_PAIRS, *OF_SETS)
        floats, signs = [], []
        for pair in range(op.pairs):
            i, base = (pair, pair) if op.own else divmod(pair, op.bases)
            rows = {name: given[name][pair : pair + 1] for name in names if name in given}
            weights = given["weights"][base : base + 1]
            rows["weights"] = weights.reshape(1, op.filters, op.kernel, op.kernel, -1)
            read = self._one(node.reads[0], i)
            nth = pair if after.residual is Residual.EACH else 0
            added = after.residual is not Residual.NONE and node.residual is not None
            residual = self._one(node.residual, nth) if added and node.residual else None
            wrote = self._write(alone, (read,), residual, rows)
            floats.append(wrote[0])
            signs.append(wrote[1])
        if op.after.sum:
            self._sum(node, op, given, floats)
        elif node.floats is not None:
            self.parts[node.floats] = [Use(n, 0, 1) for n in floats]
        if not op.after.sum and node.bits is not None:
            each_of = range(after.signs)
            self.parts[node.bits] = [Use(n, s, 1) for n in signs for s in each_of]

    def _write(
        self, op: Op, reads: tuple[Use, ...], residual: Use | None, given: Parameters
    ) -> tuple[int, int]:
        """Into new values; the numbers of the floats and of the signs, or -1."""
        numbers = []
        for value in (flow(op).floats, flow(op).bits):
            numbers.append(-1 if value is None else len(self.values))
            if value is not None:
                self.values.append(value)
        floats, signs = (None if n < 0 else n for n in numbers)
        self.nodes.append(Node(op, reads, residual, floats, signs))
        self.given.append(given)
        return numbers[0], numbers[1]

    def _sum(self, node: Node, op: BinaryConv, given: Parameters, parts: Sequence[int]) -> None:
        """What is done with the sum, in a pass of its own over the maps of the branches."""
        one = op.after.residual is Residual.ONE
        after = replace(op.after, inner=Curve.NONE, residual=Residual.ONE if one else Residual.NONE)
        glue = Affine(
            height=op.out_height,
            width=op.out_width,
            channels=op.filters,
            sets=op.pairs,
            after=after,
        )
        same = np.ones((op.pairs, op.filters), np.float32)
        rows = {name: given[name] for name in OF_SETS if name in given}
        rows |= {"scale": same, "shift": np.zeros_like(same)}
        reads = tuple(Use(part, 0, 1) for part in parts)
        residual = self._one(node.residual) if one and node.residual is not None else None
        self.nodes.append(Node(glue, reads, residual, node.floats, node.bits))
        self.given.append(rows)

    def _one(self, use: Use, nth: int = 0) -> Use:
        """The nth set that is used, wherever it is now."""
        return self._now(Use(use.value, use.first + nth, 1))[0]

    def _now(self, use: Use) -> tuple[Use, ...]:
        if use.value not in self.parts:
            return (use,)
        return tuple(self.parts[use.value][use.first : use.first + use.sets])
