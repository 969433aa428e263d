"""One block, unrolled, in each of the ways in which binary convolutions stand for real ones.

A binary block is, for each of its convolutions: signs, convolution, ReLU, batch norm, shortcut. All
but the signs happen in the convolution's epilogue, and the signs in that of the step before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from kernels.ops import Affine, BinaryConv, Curve, Pool, Pooling, RealConv
from search_spaces.backbone import Activation, Conv, Shortcut
from search_spaces.plan import Source, Use, Value
from search_spaces.shapes import added_by, map_of, meeting, window, written
from search_spaces.shortcuts import Residuals, real_down
from search_spaces.site import Site, norm_of, part_name, sum_scales
from search_spaces.sketch import Sketch, Stencil

_INNER = {Activation.NONE: {}, Activation.RELU: {"inner": Curve.RELU}, Activation.RPRELU: {}}
_OUTER = {Activation.NONE: {}, Activation.RELU: {}, Activation.RPRELU: {"outer": Curve.PRELU}}


def alone(
    sketch: Sketch,
    site: Site,
    x: Use,
    bits: Use,
    bases: tuple[int, ...],
    own: tuple[int, ...],
    rate: int,
    several: bool = False,
    common: bool = False,
) -> Use:
    """Branches that do not meet: x, and its signs, are one map for all or a map for each.

    What comes out is a map for each. `own` are the bases whose thresholds inner signs have.
    `several`: branches of other rates run beside these, and with `common` start from the same x.
    """
    if rate > 1 or several:
        return _alone(sketch, site, x, bits, bases, own, rate, several, common)
    return _copied(sketch, _alone, site, x, bits, bases, own, rate)


def together(sketch: Sketch, site: Site, x: Use, bases: int, activations: int | None = None) -> Use:
    """Bases that meet after every convolution; with `activations`, as ABC-Net has them.

    A ReLU belongs between the sum of the bases and the batch norm: the norm is then a step of its
    own. ABC-Net has no ReLU.
    """
    bits = _signs(sketch, site, "conv1", x, activations)
    return _copied(sketch, _together, site, x, bits, bases, activations)


def _copied(
    sketch: Sketch, piece: Callable[..., Use], site: Site, x: Use, bits: Use, *rest: object
) -> Use:
    """What `piece` adds, worked out once for all sketches."""
    stencil = _stencil(piece, site, sketch.values[x.value], sketch.values[bits.value], *rest)
    return sketch.copy(stencil, (x, bits))


@cache
def _stencil(
    piece: Callable[..., Use], site: Site, x: Value, bits: Value, *rest: object
) -> Stencil:
    return Stencil.of((x, bits), lambda sketch, x, bits: piece(sketch, site, x, bits, *rest))


def _alone(
    sketch: Sketch,
    site: Site,
    x: Use,
    bits: Use,
    bases: tuple[int, ...],
    own: tuple[int, ...],
    rate: int,
    several: bool = False,
    common: bool = False,
) -> Use:
    residuals = Residuals(sketch, site, run=bases if several else (), common=common)
    for n, conv in enumerate(site.block.convs):
        part = part_name(n)
        if n > 0:
            bits = sketch.signs(x, site.thresholds(part, own))
        residual = residuals.around(n, x, bits)
        writes = written(sketch.values[x.value], conv, len(bases))
        x = sketch.add(
            BinaryConv,
            (bits,),
            writes,
            map_of(sketch.values[bits.value]) | window(conv, rate) | meeting(bits.sets, len(bases)),
            _INNER[site.style.activation] | added_by(residual) | _OUTER[site.style.activation],
            residual=residual,
            source=Source(site.at, part, bases),
            norm=norm_of(site, part, bases),
        )
        x = _pooled(sketch, x, conv)
    return x


def _together(
    sketch: Sketch, site: Site, x: Use, bits: Use, bases: int, activations: int | None
) -> Use:
    residuals = Residuals(sketch, site, bases, activations)
    norm_apart = activations is None and site.style.activation is Activation.RELU
    for n, conv in enumerate(site.block.convs):
        part = part_name(n)
        if n > 0:
            bits = _signs(sketch, site, part, x, activations)
        residual = residuals.around(n, x, bits)
        source = Source(site.at, part, tuple(range(bases)), activations is not None)
        added = added_by(residual) | _OUTER[site.style.activation]
        writes = written(sketch.values[x.value], conv, 1)
        x = sketch.add(
            BinaryConv,
            (bits,),
            writes,
            map_of(sketch.values[bits.value])
            | window(conv, 1)
            | meeting(bits.sets, bases, own=False),
            {"sum": True} | ({"outer": Curve.RELU} if norm_apart else added),
            residual=None if norm_apart else residual,
            source=source,
            norm=None if norm_apart else norm_of(site, part)._replace(latent=source.latent),
            scales=sum_scales(site, part, bases, activations),
        )
        if norm_apart:
            norm = norm_of(site, part)
            shape = map_of(writes) | {"sets": 1}
            x = sketch.add(Affine, (x,), writes, shape, added, residual=residual, norm=norm)
        x = _pooled(sketch, x, conv)
    return x


def _signs(sketch: Sketch, site: Site, part: str, x: Use, activations: int | None) -> Use:
    if activations is None:
        return sketch.signs(x, site.thresholds(part))
    return sketch.signs(x, Source(site.at, part, latent=True), activations)


def real(sketch: Sketch, site: Site, x: Use, signed: bool = False) -> Use:
    """The block as it was before anyone made it binary: one shortcut, ReLU after the sum.

    `signed`: without that last ReLU, for what comes next takes signs, which would all be +1.
    """
    start, last = x, len(site.block.convs) - 1
    shortcut = site.block.shortcut is not Shortcut.NONE
    shortcut &= not any(conv.depthwise for conv in site.block.convs)
    for n, conv in enumerate(site.block.convs):
        before = sketch.values[x.value]
        writes = written(before, conv, 1)
        residual = None
        if shortcut and n == last:
            residual = start
            if sketch.values[start.value] != writes:
                stride = math.prod(conv.stride for conv in site.block.convs)
                down = Conv(filters=conv.filters, kernel=1, stride=stride)
                source, norm = Source(site.at, "real-down"), norm_of(site, "real-down")
                residual = real_down(sketch, start, down, source, norm)
        shape = map_of(before) | window(conv, 1)
        if conv.depthwise:
            shape["groups"] = before.channels
            shape["filters"] = before.channels
            writes = writes._replace(channels=before.channels)
        x = sketch.add(
            RealConv,
            (x,),
            writes,
            shape,
            added_by(residual) | ({} if signed and n == last else {"outer": Curve.RELU}),
            residual=residual,
            source=Source(site.at, f"real{n + 1}"),
            norm=norm_of(site, f"real{n + 1}"),
        )
        x = _pooled(sketch, x, conv)
    return x


def _pooled(sketch: Sketch, x: Use, conv: Conv) -> Use:
    if conv.pool == 1:
        return x
    value = sketch.values[x.value]
    shape = map_of(value) | {"kind": Pooling.MAX, "kernel": conv.pool, "stride": conv.pool}
    height, width = value.height // conv.pool, value.width // conv.pool
    writes = value._replace(height=height, width=width)
    return sketch.add(Pool, (x,), writes, shape | {"sets": x.sets})
