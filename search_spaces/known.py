"""Known architectures on a backbone: the fixed points that a search is held against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from search_spaces.arch import Arch, from_json
from search_spaces.backbone import Activation, Backbone, Downsample
from search_spaces.backbones import VARIANTS, find_backbone
from search_spaces.group import Group, Link, abc, branches, real
from search_spaces.names import unknown
from search_spaces.text import parse

Style = dict[str, Any]

# XNOR-Net and Bi-Real build their blocks otherwise than Group-Net: real downsample convolutions, no
# ReLU, and for XNOR-Net one shortcut a block. They are the same blocks in another style.
_BIREAL: Style = {
    "activation": Activation.NONE,
    "downsample": Downsample.REAL,
    "thresholds": False,
    "one_shortcut": False,
}
_XNORNET: Style = {**_BIREAL, "one_shortcut": True}

# What each wants of the backbone's style, and what stands for each block, a group by itself.
KNOWN: dict[str, tuple[Style, Group]] = {
    "real": ({}, real(1)),
    "xnornet": (_XNORNET, branches(1, 1)),
    "bireal": (_BIREAL, branches(1, 1)),
    **{f"groupnet-k{k}": ({}, branches(1, k)) for k in (1, 3, 4, 5, 8)},
    **{f"groupnet-k{k}-gates": ({}, branches(1, k, Link.GATE)) for k in (3, 4, 5, 8)},
    **{f"abcnet-{m}x{n}": ({}, abc(1, m, n)) for m, n in ((1, 1), (3, 1), (3, 3), (5, 3), (5, 5))},
}


def known(name: str, backbone: Backbone) -> Arch:
    """By name, on this backbone, or on a variant of it where its blocks are built otherwise."""
    if name not in KNOWN:
        raise unknown("architecture", name, KNOWN)
    style, group = KNOWN[name]
    return Arch("classify", _styled(backbone, style), (group,) * len(backbone.blocks), ())


def _styled(backbone: Backbone, style: Style) -> str:
    """The backbone's name with the variants that bring this style, in place of its own."""
    base, *variants = backbone.name.split("+")
    plain = find_backbone(base).style if variants else backbone.style
    kept = [v for v in variants if v not in VARIANTS or VARIANTS[v][0] not in style]
    missing = [(field, value) for field, value in style.items() if getattr(plain, field) != value]
    return "+".join([base, *kept, *(v for v, sets in VARIANTS.items() if sets in missing)])


def find_arch(text: str, backbone: str | None = None) -> Arch:
    """By a known name, its line or its JSON; on another backbone than it says, where one is given.

    A known one is of ResNet-20 unless told otherwise.
    """
    if text in KNOWN:
        return known(text, find_backbone(backbone or "resnet20"))
    if text.lstrip().startswith("{"):
        arch = from_json(text)
        return replace(arch, backbone=backbone or arch.backbone)
    if "|" not in text and "x" not in text.split("-")[0]:
        raise unknown("architecture", text, KNOWN)
    return parse(text, backbone)
