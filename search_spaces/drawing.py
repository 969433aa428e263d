"""An architecture drawn in text: its groups one below the other, a line a branch."""

from __future__ import annotations

from collections.abc import Iterator

from search_spaces.arch import Arch
from search_spaces.group import Decomposition, Group, Link

_FROM = {
    Link.MEAN: "all from the aggregate",
    Link.GATE: "each from a gate between its own branch and the aggregate",
    Link.ROUTE: "each from a mixture of all branches",
}
_SHOWN = 8  # branches; more are counted


def draw(arch: Arch) -> Iterator[str]:
    yield f"{arch.backbone}, {arch.blocks} blocks in {len(arch.groups)} groups, to {arch.task}"
    start = 0
    for n, group in enumerate(arch.groups):
        fed = [source for source, target in arch.skips if target == n]
        yield f"group {n}: {_said(n, group)}" + "".join(f", + group {source}" for source in fed)
        yield from _branches(group, start)
        start += group.blocks


def _said(n: int, group: Group) -> str:
    match group.decomposition:
        case Decomposition.GROUP:
            many = "1 branch" if group.bases == 1 else f"{group.bases} branches"
            start = "from the stem" if n == 0 else _FROM[group.link]
            return f"{many}, {start}"
        case Decomposition.LAYER:
            return f"{group.bases} bases that meet after every convolution"
        case Decomposition.ABC:
            return (
                f"{group.bases} bases of one latent weight x {group.activations} thresholds, "
                "meeting after every convolution"
            )
        case Decomposition.REAL:
            return "real-valued"


def _branches(group: Group, start: int) -> Iterator[str]:
    numbers = [str(n) for n in range(start, start + group.blocks)]
    if group.decomposition is not Decomposition.GROUP:
        many = "" if group.bases == group.activations == 1 else _times(group)
        yield "    " + " ".join(f"[{number}{many}]" for number in numbers)
        return
    rates = group.rates or (1,) * group.bases
    for base in range(min(group.bases, _SHOWN)):
        dilated = f"   dilation {rates[base]}" if rates[base] > 1 else ""
        yield "    " + "--".join(f"[{number}]" for number in numbers) + dilated
    if group.bases > _SHOWN:
        yield f"    ... {group.bases} in all"


def _times(group: Group) -> str:
    if group.decomposition is Decomposition.ABC:
        return f" x{group.bases}x{group.activations}"
    return f" x{group.bases}"
