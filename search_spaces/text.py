"""An architecture in one line that a person can read and type.

    resnet20 | 2x3 mean | 4x2 gate | 3x5 route +0

After the backbone, a group a part: blocks x bases, and how it is linked or built: `mean`, `gate`,
`route` (branches), `layer`, `abc` (blocks x bases x activations) or `real`. `3*2x3 gate` is three
such groups, `+0` feeds the aggregate of group 0 to this one, `rates 2,3,4` dilates the bases. A
task other than classification stands in front: `segment: resnet18 | 8x5 mean`.
"""

from __future__ import annotations

import re
from itertools import groupby

from search_spaces.arch import Arch
from search_spaces.group import MOST_BLOCKS, Decomposition, Group, Link
from search_spaces.names import unknown

WORDS = (*Link, *(d for d in Decomposition if d is not Decomposition.GROUP))
_SHAPE = re.compile(r"(?:(\d{1,6})\*)?(\d{1,6})x(\d{1,6})(?:x(\d{1,6}))?")


def to_text(arch: Arch) -> str:
    parts: list[str] = []
    written = [_group_text(arch, n) for n in range(len(arch.groups))]
    for text, run in groupby(written):
        times = len(list(run))
        parts.append(text if times == 1 else f"{times}*{text}")
    task = "" if arch.task == "classify" else f"{arch.task}: "
    return " | ".join([task + arch.backbone, *parts])


def _group_text(arch: Arch, n: int) -> str:
    group = arch.groups[n]
    shape = f"{group.blocks}x{group.bases}"
    if group.decomposition is Decomposition.ABC:
        shape += f"x{group.activations}"
    branches = group.decomposition is Decomposition.GROUP
    words = [shape, group.link if branches else group.decomposition]
    if group.rates:
        words += ["rates", ",".join(map(str, group.rates))]
    words += [f"+{source}" for source, target in arch.skips if target == n]
    return " ".join(words)


def parse(text: str, backbone: str | None = None) -> Arch:
    """Read a line as `to_text` writes it. With `backbone`, on that one, whatever the line names."""
    head, *parts = (part.strip() for part in text.split("|"))
    if backbone is not None and _looks_like_a_group(head):
        head, parts = backbone, [head, *parts]
    task, _, name = head.rpartition(": ")
    if not name or _looks_like_a_group(name):
        raise ValueError(f"{text!r} names no backbone; write it first, as in 'resnet20 | 9x3 mean'")
    groups: list[Group] = []
    skips: list[tuple[int, int]] = []
    for part in parts:
        try:
            times, group, sources = _parse_group(part)
        except ValueError as error:
            raise ValueError(f"group {part!r}: {error}") from error
        for _ in range(times):
            skips += [(source, len(groups)) for source in sources]
            groups.append(group)
    task = task.strip() or "classify"
    return Arch(task, backbone or name.strip(), tuple(groups), tuple(skips))


def _looks_like_a_group(text: str) -> bool:
    words = text.split()
    return bool(words) and _SHAPE.fullmatch(words[0]) is not None


def _parse_group(text: str) -> tuple[int, Group, list[int]]:
    shape_text, word, *options = text.split() if len(text.split()) > 1 else (text, "")
    shape = _SHAPE.fullmatch(shape_text)
    if shape is None:
        raise ValueError(f"blocks x bases comes first, as in '2x3 mean'; got {shape_text!r}")
    if word not in WORDS:
        raise unknown("link or kind", word, WORDS)
    times, blocks, bases, activations = (int(n) if n else 1 for n in shape.groups())
    if (word == Decomposition.ABC) != (shape[4] is not None):
        wanted = "blocks x bases x activations" if word == Decomposition.ABC else "blocks x bases"
        raise ValueError(f"{word} is preceded by {wanted}; got {shape_text!r}")
    if not 1 <= times <= MOST_BLOCKS:
        raise ValueError(f"a group is repeated 1 to {MOST_BLOCKS} times; got {times}")
    rates, sources = _parse_options(options)
    linked = word in list(Link)
    link = Link(word) if linked else Link.MEAN
    kind = Decomposition.GROUP if linked else Decomposition(word)
    return times, Group(blocks, bases, link, kind, activations, rates), sources


def _parse_options(words: list[str]) -> tuple[tuple[int, ...], list[int]]:
    rates: tuple[int, ...] = ()
    sources: list[int] = []
    while words:
        word = words.pop(0)
        if re.fullmatch(r"\+\d{1,6}", word):
            sources.append(int(word[1:]))
        elif word == "rates" and words and re.fullmatch(r"\d{1,6}(,\d{1,6})*", words[0]):
            rates = tuple(map(int, words.pop(0).split(",")))
        else:
            raise ValueError(f"after the link may come 'rates 1,2,3' and '+0'; got {word!r}")
    return rates, sources
