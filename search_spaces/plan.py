"""A plan: an architecture unrolled into steps, each an op with what it reads, writes and carries.

Values are numbered in the order in which they are written. `f3` holds float32 maps, `b4` sign bits;
value 0 is the image. A value's sets are its parallel maps, one per branch or activation base; a
step may read all of them, or some that lie together: `b4[2:5]`.

A `Source` says which parameters of the network a step carries: block3.conv1[0,1] are bases 0 and 1
of the first convolution of block 3, block3.conv1.norm[0,1] the batch norms behind it, one for each
base, and the slopes of the curve with them. A norm without bases is one norm for the sum of them.
Thresholds that are 0 and sums that divide by K have no source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kernels.flow import Use, Value
from kernels.ops import Op
from kernels.program import Node

__all__ = ["Plan", "Source", "Step", "Use", "Value"]


class Source(NamedTuple):
    """Parameters by name. `bases` is empty where they are not of one branch, but of all.

    `latent`: of a convolution whose bases are made of one latent weight, as ABC-Net makes them.
    """

    at: str
    part: str
    bases: tuple[int, ...] = ()
    latent: bool = False

    def __str__(self) -> str:
        bases = f"[{','.join(map(str, self.bases))}]" if self.bases else ""
        return f"{self.at}.{self.part}{bases}{' of one latent' if self.latent else ''}"


class Step(NamedTuple):
    """One op of a plan.

    reads       what it computes from; a mix may read several values, whose sets follow each other
    residual    what its epilogue (or a skip) adds
    floats      the value it writes as float32, if it does; `bits` the one it writes as signs
    source      its weights
    norm        the batch norm in its epilogue; where there is none, the shift is 0 or a head's bias
    thresholds  of the signs it writes: they belong to the convolution that reads them
    scales      the lambdas of a sum over branches; none where it divides by their number
    """

    op: Op
    reads: tuple[Use, ...]
    residual: Use | None
    floats: int | None
    bits: int | None
    source: Source | None
    norm: Source | None
    thresholds: Source | None
    scales: Source | None

    @property
    def writes(self) -> tuple[int, ...]:
        return tuple(value for value in (self.floats, self.bits) if value is not None)

    @property
    def uses(self) -> tuple[Use, ...]:
        return self.reads if self.residual is None else (*self.reads, self.residual)

    @property
    def node(self) -> Node:
        return Node(self.op, self.reads, self.residual, self.floats, self.bits)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they run. `values[n]` is value n; `outputs` stay at the end."""

    steps: tuple[Step, ...]
    values: tuple[Value, ...]
    outputs: tuple[int, ...]

    @property
    def ops(self) -> tuple[Op, ...]:
        return tuple(step.op for step in self.steps)
