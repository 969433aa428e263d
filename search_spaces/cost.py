"""What a plan costs, counted, for one image. What it takes in time is measured, not counted.

The convention is that of Bi-Real and ReActNet: OPs = FLOPs + BOPs / 64, where a FLOP is one float32
multiply-accumulate and a BOP a binary one, of convolutions and linear layers alone. Batch norms,
curves, mixes and additions are not in it, though many bases make them many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from kernels.ops import (
    Affine,
    BinaryConv,
    BinaryLinear,
    Blend,
    Curve,
    Epilogue,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    RealConv,
    Resize,
    Skip,
    Stem,
)
from kernels.program import written_over
from search_spaces.plan import Plan


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts for one image.

    weight_bits    of convolutions and linear layers (and their bias): 1, 16 or 32 bits a weight
    constant_bits  what else a packed network carries, as float32: scales, shifts, slopes,
                   thresholds, factors of mixes
    peak_bytes     the most that is alive at once, of all a step reads, writes and leaves for later
    """

    bops: int
    flops: int
    weight_bits: int
    constant_bits: int
    peak_bytes: int

    @property
    def ops(self) -> float:
        return self.flops + self.bops / 64

    @property
    def weight_bytes(self) -> int:
        """Of weights and constants; a byte that is begun counts."""
        return -(-(self.weight_bits + self.constant_bits) // 8)


def cost(plan: Plan) -> Cost:
    ops = plan.ops
    return Cost(
        bops=sum(bops(op) for op in ops),
        flops=sum(flops(op) for op in ops),
        weight_bits=sum(weight_bits(op) for op in ops),
        constant_bits=sum(32 * constants(op) for op in ops),
        peak_bytes=max(live_bytes(plan)),
    )


def bops(op: Op) -> int:
    return op.macs if isinstance(op, BinaryConv | BinaryLinear) else 0


def flops(op: Op) -> int:
    return op.macs if isinstance(op, RealConv | Stem | Linear) else 0


def weight_bits(op: Op) -> int:
    match op:
        case BinaryConv():
            return op.bases * op.filters * op.products
        case BinaryLinear():
            return weight_bits(op.as_conv())
        case RealConv() | Linear():
            return 32 * op.weights
        case Stem():
            return 16 * op.weights
        case Pool() | GlobalPool() | Mix() | Skip() | Resize() | Affine() | Pack():
            return 0
        case _:
            assert_never(op)


def constants(op: Op) -> int:
    """How many float32 numbers an op carries beside its weights."""
    match op:
        case BinaryConv():
            return _epilogue(op.after, op.pairs, op.sets, op.filters)
        case BinaryLinear():
            return constants(op.as_conv())
        case RealConv():
            return _epilogue(op.after, op.inputs, op.sets, op.filters)
        case Stem():
            return op.channels + _epilogue(op.after, 1, 1, op.filters)
        case Affine():
            return _epilogue(op.after, op.sets, op.sets, op.channels)
        case Mix():
            return _factors(op) + op.signs * op.outputs * op.channels
        case Pack():
            return op.signs * op.sets * op.channels
        case Pool() | GlobalPool() | Skip() | Resize() | Linear():
            return 0
        case _:
            assert_never(op)


def live_bytes(plan: Plan) -> list[int]:
    """For each step, the bytes of all values that exist while it runs."""
    last = dict.fromkeys(plan.outputs, len(plan.steps))
    for n, step in reversed(list(enumerate(plan.steps))):
        for use in step.uses:
            last.setdefault(use.value, n)
    alive = {0}
    live: list[int] = []
    for n, step in enumerate(plan.steps):
        alive.discard(written_over(n, step.node, plan.values, last))
        alive.update(step.writes)
        live.append(sum(plan.values[value].bytes for value in alive))
        alive = {value for value in alive if last.get(value, n) > n}
    return live


def _epilogue(after: Epilogue, pairs: int, sets: int, filters: int) -> int:
    if after.raw:
        return 0
    each = 2 + (after.inner is Curve.PRELU)
    joined = after.signs
    if after.outer is not None:
        joined += 2 + (after.outer is Curve.PRELU)
    return filters * (pairs * each + sets * joined)


def _factors(op: Mix) -> int:
    match op.kind:
        case Blend.MEAN:
            return 0
        case Blend.LAMBDA:
            return op.inputs
        case Blend.GATE:
            return op.inputs + op.outputs
        case Blend.ROUTE:
            return op.inputs * op.outputs
