"""One architecture, as data. Equal networks are equal values: `settle` sees to it on the way in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from search_spaces.group import Decomposition, Group, Link
from search_spaces.names import tidy, unknown
from search_spaces.settle import Skips, settle

TASKS = ("classify", "segment")


@dataclass(frozen=True, slots=True)
class Arch:
    """A backbone whose blocks, in order, are stood for by `groups` of binary branches.

    A skip (a, b) feeds the aggregate of group a to what the branches of group b start from, beside
    the group before b; groups are counted from 0.
    """

    task: str
    backbone: str
    groups: tuple[Group, ...]
    skips: Skips

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise unknown("task", self.task, TASKS)
        if not self.groups:
            raise ValueError("an architecture has at least one group; got none")
        for source, target in self.skips:
            if not 0 <= source < target - 1 < len(self.groups) - 1:
                raise ValueError(
                    f"a skip goes from a group to one at least two further on, of groups 0 to "
                    f"{len(self.groups) - 1}; got {source} to {target}"
                )
        groups, skips = settle(self.groups, self.skips)
        object.__setattr__(self, "backbone", tidy(self.backbone))
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "skips", skips)

    @property
    def blocks(self) -> int:
        return sum(group.blocks for group in self.groups)

    @property
    def key(self) -> str:
        """Its name in files. Equal architectures, and only they, have the same one."""
        return hashlib.sha256(to_json(self).encode()).hexdigest()[:12]


def to_json(arch: Arch) -> str:
    """The canonical text, which the key is a hash of: one line, keys in order, no spaces."""
    return json.dumps(asdict(arch), sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Arch:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"an architecture in JSON; {error}") from error
    _has(fields, "an architecture", {"task": str, "backbone": str, "groups": list, "skips": list})
    groups = tuple(_group(n, group) for n, group in enumerate(fields["groups"]))
    skips = tuple(_skip(pair) for pair in fields["skips"])
    return Arch(fields["task"], fields["backbone"], groups, skips)


def _group(n: int, fields: object) -> Group:
    kinds = {"blocks": int, "bases": int, "link": str, "decomposition": str}
    where = f"group {n}"
    group = _has(fields, where, {**kinds, "activations": int, "rates": list})
    if group["link"] not in list(Link):
        raise unknown(f"{where}: link", group["link"], Link)
    if group["decomposition"] not in list(Decomposition):
        raise unknown(f"{where}: decomposition", group["decomposition"], Decomposition)
    try:
        return Group(
            group["blocks"],
            group["bases"],
            Link(group["link"]),
            Decomposition(group["decomposition"]),
            group["activations"],
            tuple(group["rates"]),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _skip(pair: object) -> tuple[int, int]:
    match pair:
        case [int(source), int(target)]:
            return source, target
        case _:
            raise ValueError(f"a skip is a pair of group numbers; got {pair!r}")


def _has(fields: object, where: str, wanted: dict[str, type]) -> dict[str, Any]:
    """The fields, if they are those wanted and no others."""
    if not isinstance(fields, dict):
        raise ValueError(f"{where} is a JSON object; got {fields!r}")
    for name in fields:
        if name not in wanted:
            raise unknown(f"{where}: field", str(name), wanted)
    for name, kind in wanted.items():
        if name not in fields:
            raise ValueError(f"{where} has no {name!r}")
        if not isinstance(fields[name], kind):
            raise ValueError(f"{where}: {name} must be {kind.__name__}; got {fields[name]!r}")
    return fields
