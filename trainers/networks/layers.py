"""The torch twin of every op: what `kernels.ops` says, on maps (batch, channels, height, width).

A value is a list of maps, one for each set. Maps are laid out with their channels last, as in the
kernels: that is also the layout in which the convolutions of a CPU learn fastest.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.ops import (
    BinaryConv,
    BinaryLinear,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
)

Maps = list[Tensor]


def binary_conv(op: BinaryConv, signs: Maps, weights: Tensor) -> Maps:
    """weights: (bases, filters, kernel, kernel, channels). A map for each pair of input and base.

    Bases that share an input are one wide convolution.
    """
    if op.padding:
        signs = [F.pad(x, (op.padding,) * 4, value=1.0) for x in signs]
    if op.own:
        return [_conv(op, x, w) for x, w in zip(signs, weights, strict=True)]
    wide = weights.flatten(0, 1)
    return [part for x in signs for part in _parted(_conv(op, x, wide), op.bases)]


def _conv(op: BinaryConv, x: Tensor, weights: Tensor) -> Tensor:
    return F.conv2d(x, weights.permute(0, 3, 1, 2), stride=op.stride, dilation=op.dilation)


def _parted(wide: Tensor, parts: int) -> Maps:
    if parts == 1:
        return [wide]
    return [part.contiguous(memory_format=torch.channels_last) for part in wide.chunk(parts, 1)]


def binary_linear(op: BinaryLinear, signs: Maps, weights: Tensor) -> Maps:
    """signs: (batch, channels) each; weights: (bases, filters, channels)."""
    images = [x[:, :, None, None] for x in signs]
    return [y[:, :, 0, 0] for y in binary_conv(op.as_conv(), images, weights[:, :, None, None])]


def real_conv(op: RealConv, maps: Maps, weights: Tensor) -> Maps:
    """weights: (filters, kernel, kernel, channels / groups), the same for each map."""
    joint = maps[0] if len(maps) == 1 else torch.cat(maps)
    y = F.conv2d(
        joint,
        weights.permute(0, 3, 1, 2),
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
    )
    return [y] if len(maps) == 1 else list(y.chunk(len(maps)))


def pool(op: Pool, maps: Maps) -> Maps:
    if op.kind is Pooling.MAX:
        return [F.max_pool2d(x, op.kernel, op.stride, op.padding) for x in maps]
    return [
        F.avg_pool2d(x, op.kernel, op.stride, op.padding, count_include_pad=False) for x in maps
    ]


def global_pool(op: GlobalPool, maps: Maps) -> Maps:
    return [x.mean((2, 3), keepdim=True) for x in maps]


def mix(op: Mix, maps: Maps, *, blend: Tensor | None, sums: Tensor | None) -> Maps:
    """blend: c of a gate, (branches,), or m of a route, (outputs, inputs); sums: w, (inputs,)."""
    match op.kind:
        case Blend.MEAN | Blend.LAMBDA:
            return [weighted(maps, sums)]
        case Blend.GATE:
            assert blend is not None
            aggregate = weighted(maps, sums)
            gated = [c * b + (1 - c) * aggregate for c, b in zip(blend, maps, strict=False)]
            return [*gated, *[aggregate] * (op.outputs - len(gated))][: op.outputs]
        case Blend.ROUTE:
            assert blend is not None
            return [weighted(maps, row) for row in blend]


def weighted(maps: Maps, weights: Tensor | None) -> Tensor:
    """Their sum by these weights; without any, their mean. Never in place: branches stay theirs."""
    total = maps[0] if weights is None else maps[0] * weights[0]
    for n, x in enumerate(maps[1:], 1):
        total = total + (x if weights is None else x * weights[n])
    return total / len(maps) if weights is None and len(maps) > 1 else total


def skip(op: Skip, maps: Maps, onto: Maps | None) -> Maps:
    sized = [_channels(_sized(op, x), op.filters) for x in maps]
    if onto is None:
        return sized
    return [x + sized[0] for x in onto]


def _sized(op: Skip, x: Tensor) -> Tensor:
    if (op.height, op.width) == (op.out_height, op.out_width):
        return x
    return F.adaptive_avg_pool2d(x, (op.out_height, op.out_width))


def _channels(x: Tensor, wanted: int) -> Tensor:
    have = x.shape[1]
    if have == wanted:
        return x
    repeated = torch.cat([x] * -(-wanted // have), 1) if wanted > have else x
    return repeated[:, :wanted].contiguous(memory_format=torch.channels_last)


def resize(op: Resize, maps: Maps) -> Maps:
    size = (op.out_height, op.out_width)
    return [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in maps]


def linear(op: Linear, x: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """x as it lies in memory, channels last: (batch, filters, 1, 1) comes out."""
    return F.linear(x.permute(0, 2, 3, 1).flatten(1), weights, bias)[:, :, None, None]
