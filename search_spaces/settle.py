"""Two descriptions of one network become one. `Arch` applies this to whatever it is given.

- What does nothing is not said: a layer-wise single base is a branch, a link that has one branch to
  start from is a mean, rates that are all 1 are no rates.
- A boundary where branches have met anyway, between groups of the same kind, is no boundary, unless
  a skip begins or ends there.
- Bases have no order of their own: their rates are sorted, together with those of the branches that
  gates tie them to.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces.group import Decomposition, Group, Link

Skips = tuple[tuple[int, int], ...]


def settle(groups: tuple[Group, ...], skips: Skips) -> tuple[tuple[Group, ...], Skips]:
    """The one way to write this network. Settling twice changes nothing more."""
    plain = _linked([_plain(group) for group in groups])
    merged, place = _merged(plain, skips)
    skips = tuple(sorted({(place[a], place[b]) for a, b in skips}))
    return tuple(_sorted(merged)), skips


def _plain(group: Group) -> Group:
    if group.decomposition is Decomposition.LAYER and group.bases == 1:
        return replace(group, decomposition=Decomposition.GROUP)
    if group.rates and set(group.rates) == {1}:
        return replace(group, rates=())
    return group


def _linked(groups: list[Group]) -> list[Group]:
    for n, group in enumerate(groups):
        if group.link is not Link.MEAN and (n == 0 or groups[n - 1].branches_out == 1):
            groups[n] = replace(group, link=Link.MEAN)
    return groups


def _merged(groups: list[Group], skips: Skips) -> tuple[list[Group], list[int]]:
    """The groups without needless boundaries, and where each of the old ones went."""
    needed = {source + 1 for source, _ in skips} | {target for _, target in skips}
    merged: list[Group] = []
    place: list[int] = []
    for n, group in enumerate(groups):
        last = merged[-1] if merged else None
        if last and n not in needed and group.branches_out == 1 and _same_kind(last, group):
            merged[-1] = replace(last, blocks=last.blocks + group.blocks)
        else:
            merged.append(group)
        place.append(len(merged) - 1)
    return merged, place


def _same_kind(a: Group, b: Group) -> bool:
    return (a.decomposition, a.bases, a.activations, a.rates) == (
        b.decomposition,
        b.bases,
        b.activations,
        b.rates,
    )


def _sorted(groups: list[Group]) -> list[Group]:
    if not any(group.rates for group in groups):
        return groups
    rates = [list(group.rates or (1,) * group.bases) for group in groups]
    chain: list[int] = []
    for n, group in enumerate(groups):
        if group.link is not Link.GATE:
            _sort_columns(rates, chain, 0)
            chain = []
        chain.append(n)
    _sort_columns(rates, chain, 0)
    return [
        replace(group, rates=tuple(row)) if group.rates else group
        for group, row in zip(groups, rates, strict=True)
    ]


def _sort_columns(rates: list[list[int]], chain: list[int], start: int) -> None:
    """Sort the bases from `start` on over a chain of groups that gates tie number by number.

    Bases that all groups of the chain have move together; beyond the smallest group, what lies
    before it and what lies after it are no longer tied.
    """
    if not chain:
        return
    end = min(len(rates[n]) for n in chain)
    columns = sorted(zip(*(rates[n][start:end] for n in chain), strict=True))
    for row, n in enumerate(chain):
        rates[n][start:end] = [column[row] for column in columns]
    part: list[int] = []
    for n in chain:
        if len(rates[n]) > end:
            part.append(n)
        else:
            _sort_columns(rates, part, end)
            part = []
    _sort_columns(rates, part, end)
