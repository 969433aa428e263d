"""What a search of a space wants the times of: its ops, and those of known architectures."""

from __future__ import annotations

from dataclasses import replace

from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.emitted import Emitted, emitted
from search_spaces.plan import Plan
from search_spaces.planner import plan
from search_spaces.space import Space
from search_spaces.uniform import known_archs


def searched(space: Space) -> Emitted:
    """Every op once: first those of the space, then what known architectures have besides."""
    found = emitted(space)
    known = (op for arch in known_archs(space).values() for op in planned(space, arch).ops)
    ops = tuple(dict.fromkeys((*found.ops, *known)))
    return found._replace(ops=ops, how=f"{found.how}, and of known architectures")


def planned(space: Space, arch: Arch) -> Plan:
    """On its own backbone, which for known ones may be a variant of the space's, for its images."""
    of = space.backbone
    return plan(
        arch,
        replace(
            find_backbone(arch.backbone),
            height=of.height,
            width=of.width,
            channels=of.channels,
            classes=of.classes,
        ),
    )
