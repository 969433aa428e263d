"""The backbones that have names, and the variants one can add to a name: `resnet20+rsign+w0.5`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from search_spaces.backbone import (
    Activation,
    Backbone,
    Block,
    Conv,
    Downsample,
    Scales,
    Shortcut,
    Stem,
    Style,
    widened,
)
from search_spaces.names import load, tidy, unknown


def basic(width: int, stride: int) -> Block:
    return Block(convs=(Conv(filters=width, stride=stride), Conv(filters=width)))


def bottleneck(width: int, stride: int) -> Block:
    """1x1, 3x3, 1x1. Its inner shapes differ, so the one shortcut goes around all three."""
    convs = (
        Conv(filters=width // 4, kernel=1),
        Conv(filters=width // 4, stride=stride),
        Conv(filters=width, kernel=1),
    )
    return Block(convs=convs, shortcut=Shortcut.BLOCK)


def stages(
    block: Callable[[int, int], Block], widths: tuple[int, ...], depths: tuple[int, ...]
) -> tuple[Block, ...]:
    """`depths[i]` blocks of `widths[i]` channels; each stage but the first halves the image."""
    return tuple(
        block(width, 2 if stage > 0 and n == 0 else 1)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True))
        for n in range(depth)
    )


def _mobile(before: int, width: int, stride: int) -> Block:
    return Block(
        convs=(
            Conv(filters=before, stride=stride, depthwise=True),
            Conv(filters=width, kernel=1),
        )
    )


def _small(name: str, blocks: tuple[Block, ...], stem: int) -> Backbone:
    """The form for images of 32x32."""
    return Backbone(
        name=name, stem=Stem(filters=stem), blocks=blocks, height=32, width=32, classes=10
    )


def _large(name: str, blocks: tuple[Block, ...]) -> Backbone:
    """The form for images of 224x224."""
    stem = Stem(filters=64, kernel=7, stride=2, pool=True)
    return Backbone(name=name, stem=stem, blocks=blocks, height=224, width=224, classes=1000)


def _vgg_small() -> Backbone:
    """Six convolutions, the first of them the stem; every second one is followed by a pooling."""
    plan = ((128, 2), (256, 1), (256, 2), (512, 1), (512, 2))
    blocks = tuple(
        Block(convs=(Conv(filters=width, pool=pool),), shortcut=Shortcut.NONE)
        for width, pool in plan
    )
    return replace(_small("vgg-small", blocks, 128), flatten=True)


def _mobilenet() -> Backbone:
    """MobileNet's thirteen pairs, each 3x3 with all channels meeting, as ReActNet has them."""
    widths = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    blocks = tuple(map(_mobile, widths[:-1], widths[1:], strides))
    style = Style(downsample=Downsample.FREE, activation=Activation.RPRELU, thresholds=True)
    return replace(
        _large("mobilenet", blocks), stem=Stem(filters=32, kernel=3, stride=2), style=style
    )


def _digits() -> Backbone:
    """For 8x8 grey digits: three blocks."""
    blocks = stages(basic, (16, 32), (1, 2))
    return replace(_small("digits", blocks, 16), height=8, width=8, channels=1)


def _grey(name: str, depth: int) -> Backbone:
    """For 28x28 grey images, which the stem halves: a first look in minutes."""
    blocks = stages(basic, (16, 32, 64), (depth, depth, depth))
    stem = Stem(filters=16, stride=2)
    return replace(_small(name, blocks, 16), stem=stem, height=28, width=28, channels=1)


_WIDE = (64, 128, 256, 512)
_BOTTLE = (256, 512, 1024, 2048)

BACKBONES = {
    backbone.name: backbone
    for backbone in (
        _digits(),
        _grey("resnet8", 1),
        _grey("resnet14", 2),
        _small("resnet20", stages(basic, (16, 32, 64), (3, 3, 3)), 16),
        _small("resnet32", stages(basic, (16, 32, 64), (5, 5, 5)), 16),
        _small("resnet18-cifar", stages(basic, _WIDE, (2, 2, 2, 2)), 64),
        _small("resnet34-cifar", stages(basic, _WIDE, (3, 4, 6, 3)), 64),
        _vgg_small(),
        _large("resnet18", stages(basic, _WIDE, (2, 2, 2, 2))),
        _large("resnet34", stages(basic, _WIDE, (3, 4, 6, 3))),
        _large("resnet50", stages(bottleneck, _BOTTLE, (3, 4, 6, 3))),
        _mobilenet(),
    )
}

# Each sets one field of the style, so no two names mean one network; `w0.5` is the width besides.
VARIANTS: dict[str, tuple[str, Any]] = {
    "binary-down": ("downsample", Downsample.BINARY),
    "free-down": ("downsample", Downsample.FREE),
    "lambda": ("scales", Scales.LEARNT),
    "no-relu": ("activation", Activation.NONE),
    "no-rsign": ("thresholds", False),
    "one-shortcut": ("one_shortcut", True),
    "real-down": ("downsample", Downsample.REAL),
    "relu": ("activation", Activation.RELU),
    "rprelu": ("activation", Activation.RPRELU),
    "rsign": ("thresholds", True),
}


@cache
def find_backbone(name: str) -> Backbone:
    """By its name, with variants, or by the place of one's own: `package.module:name`."""
    base, *variants = tidy(name).split("+")
    if ":" in base:
        found = load(base)
        if not isinstance(found, Backbone):
            raise ValueError(f"{base!r} is not a Backbone but {type(found).__name__}")
        backbone = found
    elif base in BACKBONES:
        backbone = BACKBONES[base]
    else:
        raise unknown("backbone", base, BACKBONES)
    changed: set[str] = set()
    for variant in variants:
        field, different = _varied(backbone, variant)
        if different == backbone or field in changed:
            reason = f"changes {field} a second time" if field in changed else "changes nothing"
            raise ValueError(f"backbone {name!r}: {variant!r} {reason}")
        changed.add(field)
        backbone = different
    return replace(backbone, name="+".join([base, *variants]))


def _varied(backbone: Backbone, variant: str) -> tuple[str, Backbone]:
    """What the variant changes, and the backbone in which it is changed."""
    if re.fullmatch(r"w([1-9]\d?(\.\d*[1-9])?|0\.\d*[1-9])", variant):
        return "the width", widened(backbone, float(variant[1:]))
    if variant not in VARIANTS:
        raise unknown("variant", variant, (*VARIANTS, "w0.5"))
    field, value = VARIANTS[variant]
    return field, replace(backbone, style=replace(backbone.style, **{field: value}))
