"""Architectures as the page draws them: what groups there are is said once, and counted from 0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from search_spaces.arch import Arch
from search_spaces.group import Group
from search_spaces.text import parse


@dataclass(slots=True)
class Arches:
    """By key: the line of text, the numbers of its groups in `groups`, and its skips."""

    groups: dict[Group, int] = field(default_factory=dict)
    by_key: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, key: str, text: str) -> None:
        """A line that cannot be read is kept as text, and not drawn."""
        if key in self.by_key:
            return
        try:
            arch = parse(text)
        except ValueError:
            self.by_key[key] = [text, [], []]
            return
        self.by_key[key] = [text, self._numbers(arch), [list(skip) for skip in arch.skips]]

    def add_all(self, rows: Iterable[Any]) -> None:
        for row in rows:
            if row.get("key") and row.get("arch"):
                self.add(str(row["key"]), str(row["arch"]))

    def _numbers(self, arch: Arch) -> list[int]:
        return [self.groups.setdefault(group, len(self.groups)) for group in arch.groups]

    def data(self) -> dict[str, Any]:
        return {"groups": [_data(group) for group in self.groups], "arches": self.by_key}


def _data(group: Group) -> dict[str, Any]:
    return {
        "blocks": group.blocks,
        "bases": group.bases,
        "link": str(group.link),
        "kind": str(group.decomposition),
        "activations": group.activations,
        "rates": list(group.rates),
    }
