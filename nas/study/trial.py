"""One row: an architecture, what it scored, how long that took."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from nas.study.objectives import exceeded
from search_spaces.space import Genome


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A candidate that is to be scored. Numbers count different architectures, in order."""

    number: int
    batch: int
    key: str
    arch: str
    genome: Genome
    known: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What came of it: values by column, or a note that says why there are none."""

    values: Mapping[str, float]
    loss: float = math.nan
    seconds: float = 0.0
    note: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.note)


@dataclass(frozen=True, slots=True)
class Trial:
    asked: Asked
    scored: Scored

    def status(self, limits: Mapping[str, float]) -> str:
        if self.scored.failed:
            return "failed"
        over = exceeded(self.scored.values, limits)
        return "infeasible" if any(share > 0 for share in over.values()) else "ok"

    def to_json(self) -> str:
        return json.dumps({"asked": asdict(self.asked), "scored": asdict(self.scored)})


def from_json(text: str) -> Trial:
    row = json.loads(text)
    asked = Asked(**{**row["asked"], "genome": tuple(row["asked"]["genome"])})
    return Trial(asked, Scored(**row["scored"]))


def checked(scored: Scored, columns: Sequence[str]) -> Scored:
    """A score that cannot be compared has failed."""
    if scored.failed:
        return scored
    for name in columns:
        if not math.isfinite(scored.values.get(name, math.nan)):
            return replace(scored, values={}, note=f"{name} is {scored.values.get(name)}")
    return scored


def front(
    trials: Iterable[Trial], columns: Sequence[str], limits: Mapping[str, float]
) -> list[Trial]:
    """Those that no other is better than in one column and as good as in all; in order of the last
    column, which usually is time.

    Of several that are equal in every column, the first that was found.
    """
    from moocore import is_nondominated

    fit = sorted(
        (t for t in trials if t.status(limits) == "ok"), key=lambda trial: trial.asked.number
    )
    if not fit:
        return []
    points = np.array([[t.scored.values[name] for name in columns] for t in fit])
    best = [t for t, good in zip(fit, is_nondominated(points), strict=True) if good]
    return sorted(best, key=lambda t: [t.scored.values[name] for name in reversed(columns)])
