"""A run's folder, read: what was asked and the plain tables that came of it.

Any file may be absent, for a search can be looked at while it runs, or after it was killed. A file
that is there and cannot be read is an error that names it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "binary-nas run 1"
Cell = str | int | float | bool | None
Row = dict[str, Cell]

AXIS = "axis."  # what the columns of trials.csv that hold choices begin with
_TEXT = ("key", "arch", "known", "status", "note", "name", "op", "kind", "kernel")
_WHOLE = ("number", "size_bytes", "memory_bytes", "batch", "images", "decisions", "signs", "flips")
_YES_NO = ("trusted", "on_measured", "same_path")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True, slots=True)
class Run:
    """`front` is None where the search has not written one yet; a table without rows is empty.

    `latency` is of the machine that the networks are for, `about` of the one that searched.
    """

    folder: Path
    about: Mapping[str, Any]
    phases: Sequence[Mapping[str, Any]]
    trials: Sequence[Row]
    front: Sequence[Row] | None
    known: Sequence[Row]
    ops: Sequence[Row]
    kernels: Sequence[Row]
    picks: Sequence[Mapping[str, Any]]
    fidelity: Mapping[str, Any] | None
    latency: Mapping[str, Any] | None
    tables: Sequence[str]  # the CSV files that are there

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def asked(self) -> Mapping[str, Any]:
        asked: Mapping[str, Any] = self.about.get("asked") or {}
        return asked


def read(folder: Path) -> Run:
    if not folder.is_dir():
        raise FileNotFoundError(f"a run is a folder that a search made; there is no {folder}")
    about = _object(folder / "run.json")
    if about is None:
        raise ValueError(f"{folder} is no run: it has no run.json")
    if about.get("format") != FORMAT:
        raise ValueError(f"{folder / 'run.json'} does not say {FORMAT!r}")
    front = folder / "front.csv"
    return Run(
        folder=folder,
        about=about,
        phases=_json(folder / "phases.json", list) or [],
        trials=table(folder / "trials.csv"),
        front=table(front) if front.exists() else None,
        known=table(folder / "known.csv"),
        ops=table(folder / "ops.csv"),
        kernels=table(folder / "kernels.csv"),
        picks=_picks(folder),
        fidelity=_object(folder / "fidelity.json"),
        latency=_latency(folder),
        tables=sorted(file.name for file in folder.glob("*.csv")),
    )


def _picks(folder: Path) -> list[dict[str, Any]]:
    """What came of each, and as `asked` how it was trained."""
    homes = [result.parent for result in sorted(folder.glob("picks/*/result.json"))]
    each = [(_object(home / "result.json"), _object(home / "asked.json")) for home in homes]
    return [{**result, "asked": asked or {}} for result, asked in each if result is not None]


def _latency(folder: Path) -> dict[str, Any] | None:
    """What was fitted, and on which machine, with how many threads, the times of ops were taken."""
    found, profile = _object(folder / "latency.json"), _object(folder / "profile.json")
    if found is None and profile is None:
        return None
    where = {name: (profile or {}).get(name) for name in ("machine", "threads")}
    return {**where, **(found or {})}


def _object(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = _json(path, dict)
    return found


def _json(path: Path, kind: type) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
    except ValueError as torn:
        raise ValueError(f"{path} is not JSON: {torn}") from torn
    if not isinstance(found, kind):
        raise ValueError(f"{path} must hold a JSON {kind.__name__}; got {type(found).__name__}")
    return found


def table(path: Path) -> list[Row]:
    """A CSV file's rows, each cell by the kind of its column; an empty cell is None."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        try:
            return [_row(row) for row in rows]
        except (csv.Error, ValueError) as bad:
            raise ValueError(f"{path}, line {rows.line_num}: {bad}") from bad


def _row(row: Mapping[str | Any, Any]) -> Row:
    if None in row or None in row.values():
        raise ValueError("it has not as many cells as the first line")
    return {name: _cell(name, text) for name, text in row.items()}


def _cell(name: str, text: str) -> Cell:
    if text == "":
        return None
    if name in _TEXT or name.startswith(AXIS):
        return text
    if name in _YES_NO:
        return _yes(name, text)
    kind: Callable[[str], float] = int if name in _WHOLE else float
    try:
        number = kind(text)
    except ValueError as bad:
        if kind is int and _is_whole(text):
            return int(float(text))
        raise ValueError(f"{name} must be a number; got {text!r}") from bad
    return number if abs(number) != float("inf") and number == number else None


def _is_whole(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def _yes(name: str, text: str) -> bool:
    word = text.lower()
    if word not in (*_YES, *_NO):
        raise ValueError(f"{name} must be true or false; got {text!r}")
    return word in _YES
