"""Whether others are on the core we run on: it looks more crowded than it does at best.

What it looks like at best is the least of what was seen more than now and then, since some looks
are wrong. A short process may never have been alone, and would take its crowded core for a quiet
one: so the best is remembered from process to process, for each machine and build of the core.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kernels import _core, files, machine

CROWDED = 1.07  # times what a core to ourselves shows: somebody else is on it
STEP = 1.01  # what is told apart of that
OFTEN = 3  # looks that agree
SURE = 20  # of them, for what is remembered
MANY = 20_000  # looks, without one like what is remembered: then that was wrong

NEAR = math.log(CROWDED) / math.log(STEP)


class Core:
    """`kept`: the file that remembers the best, or none."""

    def __init__(
        self, look: Callable[[], float] = _core.crowd, kept: Callable[[], Path] | None = None
    ) -> None:
        self._look, self._kept = look, kept
        self._seen: Counter[int] = Counter()  # how often, in steps of STEP
        self._known: int | None = None

    def crowded(self) -> bool:
        if self._kept is not None and not self._seen:
            self._known = _read(self._kept())
        now = round(math.log(self._look()) / math.log(STEP))
        self._seen[now] += 1
        return now - self._best(now) > NEAR

    def _best(self, now: int) -> int:
        looks = self._seen.total()
        often = max(OFTEN, looks // 2000)
        best = min((seen for seen, n in self._seen.items() if n >= often), default=now)
        known = self._known
        possible = known is not None and (looks < MANY or min(self._seen) - known <= NEAR)
        if known is not None and known < best and possible:
            return known
        if self._kept is not None and best != known and self._seen[best] >= SURE:
            self._known = best
            _write(self._kept(), best)
        return best


def file() -> Path:
    return machine.cache() / "kernels" / f"{machine.here().name}.quiet"


def _read(path: Path) -> int | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return int(kept["quiet"]) if kept["core"] == machine.core() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, quiet: int) -> None:
    with suppress(OSError):
        files.replace(path, json.dumps({"core": machine.core(), "quiet": quiet}) + "\n")
