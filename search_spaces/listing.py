"""Plans and ops as lines to read, and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

from kernels.op_data import to_data as op_data
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
    Residual,
    Resize,
    Skip,
    Stem,
)
from search_spaces.plan import Plan, Step, Use

__all__ = ["lines", "op_data", "step_data"]


def step_data(plan: Plan, step: Step) -> dict[str, Any]:
    """What surrounds the op: the values by name, and the parameters."""
    return {
        "reads": [_use(plan, use) for use in step.reads],
        "residual": step.residual and _use(plan, step.residual),
        "writes": [_value(plan, value) for value in step.writes],
        "source": step.source and str(step.source),
        "norm": step.norm and str(step.norm),
        "thresholds": step.thresholds and str(step.thresholds),
        "scales": step.scales and str(step.scales),
    }


def lines(plan: Plan) -> Iterator[str]:
    """A line a step: what it writes, what it does, of what, with whose parameters."""
    first = plan.values[0]
    yield f"f0 = the image, {first.channels}@{first.height}x{first.width}"
    for step in plan.steps:
        writes = " ".join(_value(plan, value) for value in step.writes)
        value = plan.values[step.writes[0]]
        maps = f"{value.channels}@{value.height}x{value.width}"
        shape = maps if value.sets == 1 else f"{value.sets} of {maps}"
        reads = " ".join(_use(plan, use) for use in step.reads)
        words = [f"{writes} = {_doing(step.op)} of {reads}", *_after(plan, step), f"-> {shape}"]
        yield ", ".join(words) + _made_of(step)


def _made_of(step: Step) -> str:
    """Its weights and its norm; the norm in short where it is named after the weights."""
    made = [f"   {step.source}"] if step.source else []
    if step.norm and step.source:
        made.append(str(step.norm).removeprefix(f"{step.source.at}.{step.source.part}."))
    elif step.norm:
        made.append(f"   {step.norm}")
    return " ".join(made)


def _doing(op: Op) -> str:
    match op:
        case BinaryConv():
            met = f"{op.bases} own" if op.own else f"{op.inputs} in x {op.bases}"
            return f"binary {_window(op)} ({met})"
        case BinaryLinear():
            return f"binary linear ({op.inputs} in x {op.bases})"
        case RealConv():
            several = f" ({op.inputs} in)" if op.inputs > 1 else ""
            groups = f" in {op.groups} groups" if op.groups > 1 else ""
            return f"real {_window(op)}{groups}{several}"
        case Stem():
            pool = f", max pool {op.pool}x{op.pool}/{op.pool_stride}" if op.pool else ""
            return f"real {_window(op)} on pixels{pool}"
        case Pool():
            return f"{op.kind} pool {op.kernel}x{op.kernel}/{op.stride}"
        case GlobalPool():
            return "global average"
        case Mix():
            return f"{op.kind} of {op.inputs} into {op.outputs}"
        case Skip():
            return "fitted"
        case Resize():
            return "bilinear resize"
        case Linear():
            return "linear"
        case Affine():
            return "scale and shift"
        case Pack():
            return "packing"
        case _:
            assert_never(op)


def _window(op: BinaryConv | RealConv | Stem) -> str:
    stride = f"/{op.stride}" if op.stride > 1 else ""
    rate = "" if isinstance(op, Stem) or op.dilation == 1 else f" dilated {op.dilation}"
    return f"{op.kernel}x{op.kernel}{stride}{rate}"


def _after(plan: Plan, step: Step) -> list[str]:
    """The epilogue, in the order in which it happens."""
    op, words = step.op, []
    if isinstance(op, BinaryConv | BinaryLinear | RealConv | Stem | Affine):
        words += _epilogue(plan, step, op.after)
    elif isinstance(op, Skip) and step.residual is not None:
        words.append(f"+ {_use(plan, step.residual)}")
    elif isinstance(op, Mix) and op.kind is not Blend.MEAN and step.scales is not None:
        words.append(f"by {step.scales}")
    signs = op.after.signs if hasattr(op, "after") else getattr(op, "signs", 0)
    if signs:
        many = f"{signs} signs" if signs > 1 else "signs"
        words.append(f"{many} against {step.thresholds}" if step.thresholds else many)
    return words


def _epilogue(plan: Plan, step: Step, after: Epilogue) -> list[str]:
    words = [] if after.inner is Curve.NONE else [str(after.inner)]
    residual = "" if step.residual is None else f"+ {_use(plan, step.residual)}"
    if after.residual is Residual.EACH:
        words.append(residual)
    if after.sum:
        words.append(f"summed by {step.scales}" if step.scales else "mean of bases")
    if after.residual is Residual.ONE:
        words.append(residual)
    if after.outer is not None:
        words.append("shifted prelu" if after.outer is Curve.PRELU else str(after.outer))
    return words


def _value(plan: Plan, number: int) -> str:
    return f"{'b' if plan.values[number].bits else 'f'}{number}"


def _use(plan: Plan, use: Use) -> str:
    part = (
        "" if use.sets == plan.values[use.value].sets else f"[{use.first}:{use.first + use.sets}]"
    )
    return _value(plan, use.value) + part
