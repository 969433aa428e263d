"""A program that begins with a convolution on pixels: its first ops made into one `Stem`.

Weights become whole numbers, each filter by a step of its own. So the program answers a little
otherwise than the one it is made of: a weight is off by 1/65,534 of its filter's largest, at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.epilogue import FLOATS, Residual
from kernels.ops import Affine, Pool, Pooling, RealConv, Stem
from kernels.parameters import Array, Parameters
from kernels.program import Node, Program, last_reads

LARGEST = 32_767


def with_stem(program: Program) -> Program:
    """The same program on pixels, uint8. A ValueError says why it cannot begin so."""
    normal, node, conv = program.normal, program.nodes[0], program.nodes[0].op
    if normal is None:
        raise ValueError("the program does not say how pixels become what it takes")
    if not isinstance(conv, RealConv):
        raise ValueError(f"a real convolution can be a stem; the program begins with {_kind(node)}")
    _check(program, conv)
    if not all(0 <= mean <= 255 for mean in normal.mean):
        raise ValueError(f"the mean of pixels is 0 to 255; got {normal.mean}")
    begun = _begun(program, conv)
    mean, std = (np.array(row, np.float32) for row in normal)
    real = program.parameters[0]["weights"] / std.astype(np.float64)
    if begun.nodes > 1:  # its scales come before the pool, and may be negative
        real = real * program.parameters[0]["scale"][0, :, None, None, None]
    weights, steps = quantised(real)
    given = {
        **begun.constants,
        "weights": weights,
        "mean": mean,
        "scale": (begun.constants["scale"] * steps).astype(np.float32),
    }
    last = program.nodes[begun.nodes - 1]
    first = Node(begun.op, node.reads, None, last.floats, last.bits)
    return Program(
        program.values,
        (first, *program.nodes[begun.nodes :]),
        (given, *program.parameters[begun.nodes :]),
        program.output,
    )


def quantised(real: NDArray[np.float64]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Whole numbers, and for each filter the step that they count."""
    largest = np.abs(real).max((1, 2, 3))
    steps = np.where(largest > 0, largest / LARGEST, 1.0)
    return np.rint(real / steps[:, None, None, None]).astype(np.int16), steps


class _Begun(NamedTuple):
    """So many nodes, the stem that they make, and the constants of its epilogue."""

    nodes: int
    op: Stem
    constants: Mapping[str, Array]


def _check(program: Program, conv: RealConv) -> None:
    if conv.groups > 1 or conv.inputs > 1 or conv.dilation > 1 or conv.after.sum:
        raise ValueError(f"a plain convolution can be a stem; the program begins with {conv}")
    if conv.after.residual is not Residual.NONE:
        raise ValueError("a stem adds no residual, and the first convolution does")
    if any(use.value == 0 for node in program.nodes[1:] for use in node.uses):
        raise ValueError("the image is read again, after the first convolution")


def _begun(program: Program, conv: RealConv) -> _Begun:
    """The convolution, and the max pool and the scales and shifts behind it, where these follow."""
    (given, *others), shape = program.parameters, _shape(conv)
    if conv.after == FLOATS and not given["shift"].any() and len(program.nodes) >= 3:
        _, second, third = program.nodes[:3]
        pool, affine = second.op, third.op
        if (
            isinstance(pool, Pool)
            and pool.kind is Pooling.MAX
            and isinstance(affine, Affine)
            and affine.after.residual is Residual.NONE
            and _one_way(program)
        ):
            op = Stem(
                **shape,
                pool=pool.kernel,
                pool_stride=pool.stride,
                pool_padding=pool.padding,
                after=affine.after,
            )
            return _Begun(3, op, others[1])
    return _Begun(1, Stem(**shape, after=conv.after), _constants(given))


def _shape(conv: RealConv) -> dict[str, int]:
    names = ("height", "width", "channels", "filters", "kernel", "stride", "padding")
    return {name: getattr(conv, name) for name in names}


def _constants(given: Parameters) -> dict[str, Array]:
    return {name: array for name, array in given.items() if name != "weights"}


def _one_way(program: Program) -> bool:
    """What each of the first two nodes writes, the next one reads, and nobody else."""
    last, nodes = last_reads(program.nodes, program.output), program.nodes
    for n in range(2):
        wrote = nodes[n].floats
        if wrote is None or last.get(wrote) != n + 1:
            return False
        if [use.value for use in nodes[n + 1].reads] != [wrote]:
            return False
    return True


def _kind(node: Node) -> str:
    return type(node.op).__name__
