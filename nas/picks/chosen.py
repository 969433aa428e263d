"""From a run and a word to an architecture: the knee, the fastest, one that is fast enough.

Time is the measured one where a row has it, else the predicted. The knee is where the page has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas.console.units import TIMES, amount
from reports.data import front_of, knee_of, within
from reports.run import Row, Run
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.known import KNOWN, known
from search_spaces.names import unknown
from search_spaces.text import parse

WORDS = ("knee", "fastest", "best")
FEWEST = 4  # letters of a key that are taken for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """`name`: of a known architecture. `accuracy`: what the search gave it, where it was scored."""

    arch: Arch
    name: str | None = None
    accuracy: float | None = None
    predicted_ms: float | None = None

    @property
    def shown(self) -> str:
        return self.name or self.arch.key


def find(run: Run, word: str) -> Pick:
    """By a word, a time (`under 2ms`), the name of a known one, a key or a line of text."""
    front = front_of(run)
    if word in WORDS:
        return _pick(_ends(run, front)[word]())
    if word.startswith("under "):
        return _pick(_under(run, front, amount(word.removeprefix("under "), TIMES)))
    if word in KNOWN:
        arch = known(word, find_backbone(str(run.about["space"]["backbone"])))
        row = _scored(run).get(arch.key)
        return Pick(arch=arch, name=word) if row is None else _pick({**row, "known": word})
    if "|" in word:
        arch = parse(word)
        row = _scored(run).get(arch.key)
        return Pick(arch=arch) if row is None else _pick(row)
    return _pick(_by_key(run, word))


def all_of(run: Run) -> list[Pick]:
    """The front, fastest first."""
    return [_pick(row) for row in sorted(_some(run, front_of(run)), key=_time)]


def _ends(run: Run, front: Sequence[Row]) -> dict[str, Callable[[], Row]]:
    def knee() -> Row:
        key = knee_of(within(run, _some(run, front)))
        if key is None:
            raise ValueError(
                f"the front of {run.folder} has no knee: it wants three architectures or more, one "
                "of them below the line between the ends; pick fastest, best, or a key"
            )
        return next(row for row in front if row["key"] == key)

    return {
        "knee": knee,
        "fastest": lambda: min(_some(run, front), key=lambda row: (_time(row), _error(row))),
        "best": lambda: min(
            within(run, _some(run, front)), key=lambda row: (_error(row), _time(row))
        ),
    }


def _under(run: Run, front: Sequence[Row], most: float) -> Row:
    fit = [row for row in _some(run, front) if _time(row) <= most]
    if not fit:
        least = min(map(_time, front))
        raise ValueError(
            f"no architecture on the front of {run.folder} takes {most:g} ms or less; the fastest "
            f"takes {least:.4g} ms"
        )
    return min(fit, key=lambda row: (_error(row), _time(row)))


def _by_key(run: Run, word: str) -> Row:
    rows = _scored(run)
    found = [key for key in rows if key.startswith(word)]
    if len(word) >= FEWEST and len(found) == 1:
        return rows[found[0]]
    if len(word) >= FEWEST and found:
        raise ValueError(f"{word!r} begins the keys {', '.join(found)}; more letters are wanted")
    raise unknown(
        "pick", word, (*WORDS, "under 2ms", *KNOWN, *(str(r["key"]) for r in front_of(run)))
    )


def _scored(run: Run) -> dict[str, Row]:
    """All that have a row, by key; that of the front comes before that of the trials, and both
    before what was retrained or sampled without having been a candidate."""
    sampled = (run.fidelity or {}).get("archs") or ()
    outside = [_outside(one) for one in (*sampled, *run.picks)]
    every = (*outside, *run.trials, *run.known, *front_of(run))
    return {str(row["key"]): row for row in every}


def _outside(one: Mapping[str, Any]) -> Row:
    """As a row, from what fidelity.json or the folder of a pick says."""
    searched = (one.get("search") or {}).get("accuracy")
    return {
        "key": one["key"],
        "arch": one["arch"],
        "known": one.get("known"),
        "error": None if searched is None else 1 - searched,
        "latency_ms": one.get("predicted_ms"),
    }


def _some(run: Run, front: Sequence[Row]) -> Sequence[Row]:
    if not front:
        raise ValueError(
            f"{run.folder} has no front yet; the search goes on by its own command: "
            f"{run.about.get('command')}"
        )
    return front


def _pick(row: Row) -> Pick:
    error, predicted = row.get("error"), row.get("latency_ms")
    return Pick(
        arch=parse(str(row["arch"])),
        name=str(row["known"]) if row.get("known") else None,
        accuracy=None if error is None else 1 - float(error),
        predicted_ms=None if predicted is None else float(predicted),
    )


def _time(row: Row) -> float:
    measured, predicted = row.get("measured_ms"), row.get("latency_ms")
    found = predicted if measured is None else measured
    return float("inf") if found is None else float(found)


def _error(row: Row) -> float:
    error = row.get("error")
    return float("inf") if error is None else float(error)
