"""Whether the front in front.csv is measured, and still that of the candidates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nas.runs.run import Run
from nas.study.trial import Trial

MEASURED = "measured.json"


def stands(run: Run, front: Sequence[Trial], known: Iterable[str], *, here: bool = False) -> bool:
    """Whether these are what was measured; `here`: and that they were timed, for they can be."""
    if not run.phase("measure")["done"] or not run.has(MEASURED):
        return False
    before, wanted = run.get(MEASURED), _stamp(front, known)
    same = all(before.get(name) == keys for name, keys in wanted.items())
    return same and (bool(before.get("timed")) or not here)


def note(run: Run, front: Sequence[Trial], known: Iterable[str], *, timed: bool) -> None:
    run.put(MEASURED, {**_stamp(front, known), "timed": timed})


def _stamp(front: Sequence[Trial], known: Iterable[str]) -> dict[str, list[str]]:
    return {"front": [trial.asked.key for trial in front], "known": [*known]}
