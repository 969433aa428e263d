"""Known architectures on a backbone: the fixed points that a search is held against."""

from __future__ import annotations

from dataclasses import replace

from search_spaces.arch import Arch, from_json
from search_spaces.backbone import Backbone
from search_spaces.backbones import VARIANTS, find_backbone
from search_spaces.group import Group, Link, abc, branches, real
from search_spaces.names import unknown
from search_spaces.text import parse

# XNOR-Net and Bi-Real build their blocks otherwise than Group-Net: real downsample convolutions, no
# ReLU, and for XNOR-Net one shortcut a block. They are the same blocks in another style.
_BIREAL = ("no-relu", "real-down")
_XNORNET = (*_BIREAL, "one-shortcut")

# The variants of the backbone that each wants, and what stands for each block, a group by itself.
KNOWN: dict[str, tuple[tuple[str, ...], Group]] = {
    "real": ((), real(1)),
    "xnornet": (_XNORNET, branches(1, 1)),
    "bireal": (_BIREAL, branches(1, 1)),
    **{f"groupnet-k{k}": ((), branches(1, k)) for k in (1, 3, 4, 5, 8)},
    **{f"groupnet-k{k}-gates": ((), branches(1, k, Link.GATE)) for k in (3, 4, 5, 8)},
    **{f"abcnet-{m}x{n}": ((), abc(1, m, n)) for m, n in ((1, 1), (3, 1), (3, 3), (5, 3), (5, 5))},
}


def known(name: str, backbone: Backbone) -> Arch:
    """By name, on this backbone, or on a variant of it where its blocks are built otherwise."""
    if name not in KNOWN:
        raise unknown("architecture", name, KNOWN)
    variants, group = KNOWN[name]
    style, wanted = backbone.style, [backbone.name]
    for variant in variants:
        varied = VARIANTS[variant](style)
        if varied != style:
            wanted.append(variant)
        style = varied
    return Arch("classify", "+".join(wanted), (group,) * len(backbone.blocks), ())


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
