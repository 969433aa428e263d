"""The fields of ops, from the maps that they read and the convolutions that they are."""

from __future__ import annotations

from typing import Any

from kernels.ops import Residual
from search_spaces.backbone import Conv
from search_spaces.plan import Use, Value


def map_of(value: Value) -> dict[str, Any]:
    return {"height": value.height, "width": value.width, "channels": value.channels}


def window(conv: Conv, rate: int) -> dict[str, Any]:
    """A 1x1 kernel has nothing to dilate."""
    rate = rate if conv.kernel > 1 else 1
    return {
        "filters": conv.filters,
        "kernel": conv.kernel,
        "stride": conv.stride,
        "dilation": rate,
        "padding": rate * (conv.kernel // 2),
    }


def meeting(inputs: int, bases: int, own: bool = True) -> dict[str, Any]:
    """One input for all bases is one wide convolution; several are an input for each base."""
    return {"inputs": inputs, "bases": bases, "own": own and inputs > 1}


def added_by(residual: Use | None) -> dict[str, Any]:
    if residual is None:
        return {}
    return {"residual": Residual.ONE if residual.sets == 1 else Residual.EACH}


def written(before: Value, conv: Conv, sets: int) -> Value:
    """A kernel is padded by half its reach, dilated or not: only the stride changes the size."""
    height = (before.height - 1) // conv.stride + 1
    width = (before.width - 1) // conv.stride + 1
    return Value(False, sets, height, width, conv.filters)
