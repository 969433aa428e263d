"""The folder of a run that nobody ran, in the form that a search leaves."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kernels import files, machine
from reports.made_up import rows
from reports.made_up.asked import MadeUp
from reports.run import FORMAT


def write(made: MadeUp, folder: Path) -> Path:
    """The run's folder, as far as it got."""
    scored = rows.trials(made)
    _json(folder / "run.json", _about(made, folder))
    _json(folder / "phases.json", _phases(made, scored))
    if made.timed_on:
        where = {"machine": {"name": made.timed_on, "cpu": made.timed_on}, "threads": 2}
        _json(folder / "profile.json", where)
    if not scored:
        return folder
    _csv(folder / "trials.csv", scored)
    (folder / "study.journal").touch()
    if made.killed:
        return folder
    front = [rows.timed(made, row) for row in rows.front(made, scored)]
    fixed = [rows.timed(made, row) for row in rows.known_rows(made)]
    _csv(folder / "front.csv", front, rows.FRONT)
    _csv(folder / "known.csv", fixed, ("name", *rows.FRONT))
    ops = [op for row in (*front, *fixed) for op in rows.ops(made, row)]
    _csv(folder / "ops.csv", ops)
    if made.measured:
        _csv(folder / "kernels.csv", rows.kernels(made, front))
    for row in (*rows.spread(front, made.picks), *rows.others(made, scored, made.lines)):
        for seed in range(made.seed, made.seed + made.seeds):
            home = str(row["key"]) + (f"-s{seed}" if seed > made.seed else "")
            _json(folder / "picks" / home / "result.json", rows.pick(made, row, seed))
    if made.fidelity and front:
        _json(folder / "fidelity.json", rows.fidelity(made, scored))
    return folder


def _about(made: MadeUp, folder: Path) -> dict[str, Any]:
    space, counted = made.space, made.space.count()
    asked = {
        "space": "groupnet",
        "data": made.data,
        "backbone": made.backbone,
        "recipe": "standard",
        "epochs": 60,
        "seed": made.seed,
        "trials": made.trials,
        "sampler": made.sampler,
        "batch": 8,
        "objectives": list(made.objectives),
        "max_latency": made.max_latency,
        "max_size": None,
        "max_memory": None,
    }
    form = space.backbone
    return {
        "format": FORMAT,
        "made": "2026-01-02T03:04:05+00:00",
        "command": f"python -m nas.search --space groupnet --backbone {made.backbone} "
        f"--data made-up --trials {made.trials} --seed {made.seed} --run {folder.name}",
        "asked": asked,
        "machine": machine.here().to_dict(),
        "versions": {"binary-nas": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
        "commit": "abc1234",
        "space": {
            "name": "groupnet",
            "backbone": made.backbone,
            "architectures": counted.architectures,
            "exact": counted.exact,
            "axes": [{"name": a.name, "choices": list(a.choices)} for a in space.axes],
        },
        "data": {
            "name": made.data,
            "digest": "0123456789ab",
            "shape": [form.height, form.width, form.channels],
            "classes": list(made.classes),
            "train": 45000,
            "selection": 5000,
        },
        "metric": "accuracy",
    }


def _phases(made: MadeUp, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    taken = float(rows[-1]["at_seconds"]) if rows else 0.0
    phases = [
        {"phase": "profile", "seconds": 71.0, "done": True},
        {"phase": "supernet", "seconds": 5321.0, "done": bool(rows) or not made.killed},
    ]
    if rows or not made.killed:
        phases.append({"phase": "explore", "seconds": taken, "done": not made.killed})
    if not made.killed:
        phases.append({"phase": "measure", "seconds": 44.0, "done": True})
    return phases


def _json(path: Path, content: object) -> None:
    files.replace(path, json.dumps(content, indent=1) + "\n")


def _csv(path: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        columns = list(names) or list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
