"""The spaces that have names. Each is made for a backbone; more are made by calling with arguments.

groupnet   for each block: does a group begin, linked how, with how many bases, fed by which skip
layerwise  for each block: how many bases, which meet after every convolution
abcnet     for each block: how many weight bases and how many activation bases
mixed      as groupnet without skips, and each group decomposed in its own way
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.grammar import Grammar
from search_spaces.group import Decomposition, Group, Link, abc, branches, layers
from search_spaces.names import load, unknown
from search_spaces.space import Axis, Space

ON = "on"  # no group begins: each branch goes on alone
Choices = Mapping[str, str | int]


def groupnet(
    backbone: Backbone,
    bases: Sequence[int] = (1, 2, 3, 4, 5),
    links: Sequence[Link] = tuple(Link),
    reach: int = 3,
    task: str = "classify",
) -> Space:
    """`reach`: how many groups before it a group may be fed from by a skip; 0 for no skips."""
    blocks = len(backbone.blocks)
    back = (0, *range(2, reach + 1))

    def meaning(chosen: Choices) -> Arch:
        groups: list[Group] = []
        skips: list[tuple[int, int]] = []
        for n in range(blocks):
            link = chosen[f"link{n}"] if n else Link.MEAN
            if link == ON:
                groups[-1] = replace(groups[-1], blocks=groups[-1].blocks + 1)
                continue
            before = len(groups) - int(chosen.get(f"skip{n}", 0))
            if 0 <= before < len(groups):
                skips.append((before, len(groups)))
            groups.append(branches(1, int(chosen[f"bases{n}"]), Link(str(link))))
        return Arch(task, backbone.name, tuple(groups), tuple(skips))

    axes = [Axis("bases0", tuple(bases))]
    for n in range(1, blocks):
        axes += [Axis(f"link{n}", (ON, *links)), Axis(f"bases{n}", tuple(bases))]
        if reach and n > 1:
            axes.append(Axis(f"skip{n}", back))
    grammar = Grammar(blocks, tuple(branches(1, k) for k in bases), tuple(links), reach)
    return Space("groupnet", backbone, tuple(axes), meaning, grammar)


def layerwise(
    backbone: Backbone, bases: Sequence[int] = (1, 2, 3, 4, 5), task: str = "classify"
) -> Space:
    blocks = len(backbone.blocks)

    def meaning(chosen: Choices) -> Arch:
        groups = tuple(layers(1, int(chosen[f"bases{n}"])) for n in range(blocks))
        return Arch(task, backbone.name, groups, ())

    axes = tuple(Axis(f"bases{n}", tuple(bases)) for n in range(blocks))
    grammar = Grammar(blocks, tuple(layers(1, k) for k in bases))
    return Space("layerwise", backbone, axes, meaning, grammar)


def abcnet(
    backbone: Backbone,
    bases: Sequence[int] = (1, 2, 3, 4, 5),
    activations: Sequence[int] = (1, 2, 3, 4, 5),
    task: str = "classify",
) -> Space:
    blocks = len(backbone.blocks)

    def meaning(chosen: Choices) -> Arch:
        groups = tuple(
            abc(1, int(chosen[f"bases{n}"]), int(chosen[f"activations{n}"])) for n in range(blocks)
        )
        return Arch(task, backbone.name, groups, ())

    axes = [
        Axis(f"{what}{n}", tuple(choices))
        for n in range(blocks)
        for what, choices in (("bases", bases), ("activations", activations))
    ]
    grammar = Grammar(blocks, tuple(abc(1, m, n) for m in bases for n in activations))
    return Space("abcnet", backbone, tuple(axes), meaning, grammar)


def mixed(
    backbone: Backbone,
    bases: Sequence[int] = (1, 2, 3, 4, 5),
    activations: Sequence[int] = (1, 2, 3),
    links: Sequence[Link] = tuple(Link),
    task: str = "classify",
) -> Space:
    blocks = len(backbone.blocks)
    kinds = (Decomposition.GROUP, Decomposition.LAYER, Decomposition.ABC)

    def meaning(chosen: Choices) -> Arch:
        groups: list[Group] = []
        for n in range(blocks):
            link = chosen[f"link{n}"] if n else Link.MEAN
            if link == ON:
                groups[-1] = replace(groups[-1], blocks=groups[-1].blocks + 1)
                continue
            k, many = int(chosen[f"bases{n}"]), int(chosen[f"activations{n}"])
            match chosen[f"kind{n}"]:
                case Decomposition.GROUP:
                    groups.append(branches(1, k, Link(str(link))))
                case Decomposition.LAYER:
                    groups.append(layers(1, k))
                case _:
                    groups.append(abc(1, k, many))
        return Arch(task, backbone.name, tuple(groups), ())

    axes: list[Axis] = []
    for n in range(blocks):
        if n:
            axes.append(Axis(f"link{n}", (ON, *links)))
        axes += [Axis(f"kind{n}", kinds), Axis(f"bases{n}", tuple(bases))]
        axes.append(Axis(f"activations{n}", tuple(activations)))
    each = [branches(1, k) for k in bases] + [layers(1, k) for k in bases]
    each += [abc(1, m, n) for m in bases for n in activations]
    return Space(
        "mixed", backbone, tuple(axes), meaning, Grammar(blocks, tuple(each), tuple(links))
    )


SPACES: dict[str, Callable[[Backbone], Space]] = {
    "groupnet": groupnet,
    "layerwise": layerwise,
    "abcnet": abcnet,
    "mixed": mixed,
}


def find_space(name: str, backbone: str | None = None, usual: str = "resnet20") -> Space:
    """By its name, or by the place of one's own, `package.module:name`.

    One's own is a Space, which has its backbone, or a function that makes one for a backbone.
    `usual`: the backbone where none is named, of spaces that do not bring their own.
    """
    if ":" not in name:
        if name not in SPACES:
            raise unknown("space", name, SPACES)
        return SPACES[name](find_backbone(backbone or usual))
    found = load(name)
    if callable(found):
        found = found(find_backbone(backbone or usual))
    elif isinstance(found, Space) and backbone not in (None, found.backbone.name):
        raise ValueError(f"{name} is a space of {found.backbone.name}; got backbone {backbone!r}")
    if not isinstance(found, Space):
        raise ValueError(f"{name!r} is neither a Space nor makes one, but {type(found).__name__}")
    return replace(found, name=name)
