"""`plan`: what an architecture is, step by step. All that runs, counts or times one reads this.

K branches that start from one map are one wide convolution on one packed input; branches that go on
alone are K inputs for K bases. Where branches meet, the last convolution sums them as it writes
them, if its epilogue can: not where a curve or a pooling follows it, not where single branches are
wanted further on, and not where one shortcut for all would have to be counted K times.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any

from kernels.ops import (
    Affine,
    BinaryConv,
    Blend,
    Curve,
    GlobalPool,
    Linear,
    Mix,
    Pool,
    Pooling,
    RealConv,
    Residual,
    Resize,
)
from search_spaces import blocks
from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.group import Decomposition, Group, Link
from search_spaces.names import tidy
from search_spaces.plan import Plan, Source, Use, Value
from search_spaces.settle import Skips
from search_spaces.shortcuts import fitted
from search_spaces.site import Site, learnt
from search_spaces.sketch import Draft, Sketch


def plan(arch: Arch, backbone: Backbone) -> Plan:
    if arch.backbone != tidy(backbone.name):
        raise ValueError(
            f"the architecture is of {arch.backbone}; got {backbone.name} to plan it on"
        )
    if arch.blocks != len(backbone.blocks):
        sizes = " + ".join(str(group.blocks) for group in arch.groups)
        off = arch.blocks - len(backbone.blocks)
        wrong = f"{abs(off)} too {'many' if off > 0 else 'few'}"
        raise ValueError(
            f"{backbone.name} has {len(backbone.blocks)} blocks; "
            f"the groups have {sizes} = {arch.blocks}, {wrong}"
        )
    return unroll(arch.task, arch.groups, arch.skips, backbone)


def unroll(task: str, groups: tuple[Group, ...], skips: Skips, backbone: Backbone) -> Plan:
    """The plan of groups as they stand: also of such as `Arch` would have settled."""
    sketch = Sketch()
    image = Value(False, 1, backbone.height, backbone.width, backbone.channels)
    x = _stem(sketch, backbone, sketch.value(image), groups[0])
    sites = _sites(backbone)
    sources = {source for source, _ in skips}
    aggregates: dict[int, Use] = {}
    start = 0
    for n, group in enumerate(groups):
        for source, target in skips:
            if target == n:
                x = fitted(sketch, aggregates[source], sketch.values[x.value], x)
        end = start + group.blocks
        after = groups[n + 1] if n + 1 < len(groups) else None
        apart = _through(sketch, sites[start:end], group, after, x)
        mixed = after is not None and after.link is not Link.MEAN and group.branches_out > 1
        if not mixed or n in sources:
            x = _met(sketch, sites[end - 1], apart, fuse=not mixed)
            aggregates[n] = x
        if mixed and after is not None:
            x = _mixed(sketch, sites[end - 1], apart, after, sites[end])
        start = end
    return sketch.finish([_head(sketch, backbone, task, x)])


@cache
def _sites(backbone: Backbone) -> list[Site]:
    return [Site(f"block{n}", b, backbone.style) for n, b in enumerate(backbone.blocks)]


Branches = list[tuple[Use, tuple[int, ...]]]  # maps, and the bases that they are of


def _through(
    sketch: Sketch, sites: list[Site], group: Group, after: Group | None, x: Use
) -> Branches:
    """Through all the blocks of a group: what comes out, and of which bases."""
    kind = group.decomposition
    if kind is Decomposition.GROUP or (kind is Decomposition.LAYER and group.bases == 1):
        return list(_branches(sketch, sites, group, x))
    for site in sites:
        if kind is Decomposition.REAL:
            binary_next = after is not None and after.decomposition is not Decomposition.REAL
            x = blocks.real(sketch, site, x, signed=binary_next and site is sites[-1])
        else:
            activations = group.activations if kind is Decomposition.ABC else None
            x = blocks.together(sketch, site, x, group.bases, activations)
    return [(x, (0,))]


def _branches(
    sketch: Sketch, sites: list[Site], group: Group, x: Use
) -> Iterator[tuple[Use, tuple[int, ...]]]:
    signs = sketch.signs(
        x, sites[0].thresholds("conv1", tuple(range(x.sets)) if x.sets > 1 else ())
    )
    runs = _runs(group.rates or (1,) * group.bases)
    several = len(runs) > 1
    for rate, bases in runs:
        mine, bits = (use if x.sets == 1 else _part(use, bases) for use in (x, signs))
        own = bases if group.bases > 1 else ()
        for n, site in enumerate(sites):
            if n > 0:
                bits = sketch.signs(mine, site.thresholds("conv1", own))
            common = several and n == 0 and x.sets == 1
            mine = blocks.alone(sketch, site, mine, bits, bases, own, rate, several, common)
        yield mine, bases


@cache
def _runs(rates: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """Bases of one rate side by side run together; another rate is another convolution."""
    runs = groupby(range(len(rates)), key=lambda base: rates[base])
    return [(rate, tuple(bases)) for rate, bases in runs]


def _part(use: Use, bases: tuple[int, ...]) -> Use:
    return Use(use.value, use.first + bases[0], len(bases))


def _met(sketch: Sketch, site: Site, apart: Branches, fuse: bool) -> Use:
    """The aggregate: the mean of the branches, or their sum with learnt scales."""
    everyone = tuple(base for _, bases in apart for base in bases)
    first = apart[0][0]
    if len(everyone) == 1:
        return first
    scales = learnt(site, "", everyone)
    if fuse and len(apart) == 1 and _can_sum(sketch.writers[first.value], scales):
        return sketch.sum(first, scales)
    kind = Blend.MEAN if scales is None else Blend.LAMBDA
    return _mix(sketch, kind, apart, 1, scales=scales)


def _can_sum(draft: Draft, scales: Source | None) -> bool:
    recipe = draft.recipe
    once = recipe.after.get("residual") is Residual.ONE
    return recipe.kind is BinaryConv and "outer" not in recipe.after and not (once and scales)


def _mixed(sketch: Sketch, before: Site, apart: Branches, group: Group, site: Site) -> Use:
    """What the branches of `group` start from: a map each."""
    if group.link is Link.ROUTE:
        source = Source(site.at, "route", tuple(range(group.bases)))
        return _mix(sketch, Blend.ROUTE, apart, group.bases, source=source)
    everyone = tuple(base for _, bases in apart for base in bases)
    scales = learnt(before, "", everyone)
    source = Source(site.at, "gate")
    return _mix(sketch, Blend.GATE, apart, group.bases, source=source, scales=scales)


def _mix(
    sketch: Sketch,
    kind: Blend,
    apart: Branches,
    outputs: int,
    source: Source | None = None,
    scales: Source | None = None,
) -> Use:
    _, _, height, width, channels = sketch.values[apart[0][0].value]
    inputs = sum(len(bases) for _, bases in apart)
    shape = {
        "kind": kind,
        "height": height,
        "width": width,
        "channels": channels,
        "inputs": inputs,
        "outputs": outputs,
    }
    writes = Value(False, outputs, height, width, channels)
    reads = [use for use, _ in apart]
    return sketch.add(Mix, reads, writes, shape, source=source, scales=scales)


def _stem(sketch: Sketch, backbone: Backbone, image: Use, first: Group) -> Use:
    """Convolution, batch norm; with a pooling, that comes between. No ReLU before signs."""
    stem = backbone.stem
    value = sketch.values[image.value]
    relu = {"outer": Curve.RELU} if first.decomposition is Decomposition.REAL else {}
    shape: dict[str, Any] = {
        "height": value.height,
        "width": value.width,
        "channels": value.channels,
        "filters": stem.filters,
        "kernel": stem.kernel,
        "stride": stem.stride,
        "padding": stem.kernel // 2,
    }
    height = (value.height - 1) // stem.stride + 1
    width = (value.width - 1) // stem.stride + 1
    writes = Value(False, 1, height, width, stem.filters)
    source, norm = Source("stem", "conv1"), Source("stem", "conv1.norm")
    if not stem.pool:
        return sketch.add(RealConv, (image,), writes, shape, relu, source=source, norm=norm)
    x = sketch.add(RealConv, (image,), writes, shape, source=source)
    pooled = writes._replace(height=(height - 1) // 2 + 1, width=(width - 1) // 2 + 1)
    shape = {"kind": Pooling.MAX, "kernel": 3, "stride": 2, "padding": 1}
    shape |= {"height": height, "width": width, "channels": stem.filters}
    x = sketch.add(Pool, (x,), pooled, shape)
    shape = {"height": pooled.height, "width": pooled.width, "channels": stem.filters}
    return sketch.add(Affine, (x,), pooled, shape, relu, norm=norm)


def _head(sketch: Sketch, backbone: Backbone, task: str, x: Use) -> Use:
    """Classes: a linear layer. Segments: a 1x1 convolution, brought to the size of the image."""
    value, source = sketch.values[x.value], Source("head", "linear")
    shape = {"height": value.height, "width": value.width, "channels": value.channels}
    if task == "segment":
        writes = value._replace(channels=backbone.classes)
        kernel = {"filters": backbone.classes, "kernel": 1}
        x = sketch.add(RealConv, (x,), writes, shape | kernel, source=source)
        grown = {"out_height": backbone.height, "out_width": backbone.width}
        writes = writes._replace(height=backbone.height, width=backbone.width)
        return sketch.add(Resize, (x,), writes, shape | {"channels": backbone.classes} | grown)
    if backbone.flatten:
        features = value.height * value.width * value.channels
    else:
        features = value.channels
        x = sketch.add(GlobalPool, (x,), value._replace(height=1, width=1), shape)
    linear = {"channels": features, "filters": backbone.classes}
    writes = Value(False, 1, 1, 1, backbone.classes)
    return sketch.add(Linear, (x,), writes, linear, source=source)
