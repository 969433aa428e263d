"""From runs to what the page shows: one value of plain lists and numbers, made for JSON."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reports import choices, pareto, words
from reports.arches import Arches
from reports.costs import Cost, axes_to_plot, cost, costs
from reports.run import AXIS, Cell, Row, Run

_PLAIN = ("number", "key", "known", "status", "note", "error", "loss", "latency_ms", "size_bytes")
_COLUMNS = (*_PLAIN, "memory_bytes", "ops", "seconds", "at_seconds", "batch")
_RANDOM = "random"  # the sampler whose runs give the band


def page_data(runs: Sequence[Run]) -> dict[str, Any]:
    arches = Arches()
    shown = [_run(run, arches) for run in runs]
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": shown,
        "times": words.times(runs),
        "apart": words.apart(runs),
        **arches.data(),
        "hypervolume": growth(runs),
    }


def _run(run: Run, arches: Arches) -> dict[str, Any]:
    objectives = objectives_of(run)
    front = front_of(run)
    for rows in (run.trials, front, run.known, run.picks, (run.fidelity or {}).get("archs") or ()):
        arches.add_all(rows)
    axes = axes_of(run)
    wanted = {name: one.column for name, one in costs(objectives).items()}
    about = run.about
    return {
        "name": run.name,
        "folder": str(run.folder),
        "about": {name: about.get(name) for name in ("made", "machine", "versions", "commit")},
        "asked": dict(run.asked),
        "space": {k: v for k, v in (about.get("space") or {}).items() if k != "axes"},
        "data": about.get("data") or {},
        "metric": about.get("metric") or "accuracy",
        "state": words.state(run),
        "missing": words.missing(run),
        "commands": words.commands(run),
        "phases": list(run.phases),
        "retraining_seconds": sum(float(pick.get("seconds") or 0) for pick in run.picks),
        "objectives": {name: one._asdict() for name, one in costs(objectives).items()},
        "against": {
            name: one._asdict()
            for name, one in axes_to_plot(objectives).items()
            if any(row.get(one.column) is not None for row in (*run.trials, *run.known))
        },
        "axes": [{"name": name, "choices": list(of)} for name, of in axes.items()],
        "trials": _columns(run, objectives, axes),
        "front": [_timed(run, row) for row in front],
        "front_is_final": run.front is not None and words.measured(run),
        "knee": knee_of(within(run, front)),
        "known": [_timed(run, row) for row in run.known],
        "ops": _by_key(run.ops),
        "kernels": [_trim(row) for row in run.kernels],
        "picks": [_pick(run, pick) for pick in run.picks],
        "fidelity": run.fidelity and dict(run.fidelity),
        "place": words.place(run),
        **_times(run, [*front, *run.known]),
        "importance": choices.importance(run.trials, axes, wanted),
        "frequency": choices.frequency(run.trials, axes, [row["key"] for row in front]),
    }


def _pick(run: Run, pick: Mapping[str, Any]) -> dict[str, Any]:
    """`again`: the options with which nas.retrain trains as this one was, for another seed.

    Those that say what it does anyway are left out; without a recipe it takes the run's.
    """
    told = {name: value for name, value in pick.items() if name != "asked"}
    asked = dict(pick.get("asked") or {})
    asked["from"] = str(asked.get("from") or "scratch").split()[0]  # behind it is which supernet
    usual = {"recipe": run.asked.get("recipe"), "epochs": None, "from": "scratch", "teacher": None}
    usual |= {"precision": "float32", "training-workers": 1}
    others = {name: asked[name] for name in usual if asked.get(name) not in (None, usual[name])}
    again = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in others.items())
    return {**told, "again": again}


def objectives_of(run: Run) -> list[str]:
    return [str(name) for name in run.asked.get("objectives") or ("error", "latency")]


def axes_of(run: Run) -> dict[str, list[str]]:
    """The axes of the space and their choices, as text, as trials.csv has them."""
    said = (run.about.get("space") or {}).get("axes") or []
    return {str(axis["name"]): [str(choice) for choice in axis["choices"]] for axis in said}


def front_of(run: Run) -> list[Row]:
    """The front that the search wrote; before it has, that of the candidates so far."""
    if run.front is not None:
        return list(run.front)
    columns = [one.column for one in costs(objectives_of(run)).values()]
    ok = [t for t in run.trials if t.get("status") == "ok" and _all(t, columns)]
    first: dict[tuple[float, ...], Row] = {}  # of those that are equal in all, as the search does
    for trial in ok:
        first.setdefault(tuple(_float(trial[column]) for column in columns), trial)
    kept = pareto.front([*first])
    return [trial for trial, on in zip(first.values(), kept, strict=True) if on]


def too_slow(run: Run, row: Row) -> bool:
    """Measured, it takes longer than was asked for: what was predicted did not."""
    limit, took = run.asked.get("max_latency"), row.get("measured_ms")
    return limit is not None and took is not None and _float(took) > float(limit)


def _timed(run: Run, row: Row) -> Row:
    return _trim({**row, "too_slow": too_slow(run, row)})


def within(run: Run, front: Sequence[Row]) -> list[Row]:
    """Without what is too slow, if anything is left then."""
    return [row for row in front if not too_slow(run, row)] or [*front]


def knee_of(front: Sequence[Row]) -> Cell:
    """The key of the architecture at the knee, by time and error; by measured time if there is."""
    measured = bool(front) and all(row.get("measured_ms") is not None for row in front)
    column = "measured_ms" if measured else "latency_ms"
    rows = [row for row in front if _all(row, (column, "error"))]
    points = [(_float(row[column]), _float(row["error"])) for row in rows]
    best = [n for n, on in enumerate(pareto.front(points)) if on]
    at = pareto.knee([points[n] for n in best])
    return None if at is None else rows[best[at]]["key"]


def _times(run: Run, rows: Sequence[Row]) -> dict[str, Any]:
    """How far predictions were off, if possible of programs that they do not stem from."""
    latency = run.latency or {}
    fitted = set(latency.get("fitted") or ())
    others = time_errors([row for row in rows if row["key"] not in fitted])
    return {
        "time": others or time_errors(rows),
        "fitted_on": latency.get("fitted_on"),
        "fitted_apart": others is not None,
    }


def time_errors(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Predicted beside measured, of whole programs."""
    pairs = {
        str(row["key"]): (_float(row["latency_ms"]), _float(row["measured_ms"]))
        for row in rows
        if _all(row, ("latency_ms", "measured_ms"))
    }
    if not pairs:
        return None
    off = [predicted / measured - 1 for predicted, measured in pairs.values()]
    return {
        "keys": list(pairs),
        "predicted": [predicted for predicted, _ in pairs.values()],
        "measured": [measured for _, measured in pairs.values()],
        "within": {
            share: sum(abs(error) <= float(share) for error in off) / len(off)
            for share in ("0.05", "0.1")
        },
        "median": statistics.median(off),
        "untrusted": len({r["key"] for r in rows if r.get("trusted") is False}),
    }


def growth(runs: Sequence[Run]) -> dict[str, Any]:
    """How the hypervolume of each run grew, all against one reference point."""
    objectives = objectives_of(runs[0])
    wanted = costs(objectives)
    plain = runs[0].asked.get("corrected") is None
    same = [
        n
        for n, run in enumerate(runs)
        if objectives_of(run) == objectives and (run.asked.get("corrected") is None) == plain
    ]
    if not any(_costs(runs[n], wanted) for n in same):
        return {"curves": [], "bands": [], "reference": None, "left_out": 0}
    reference = [_worst([runs[n] for n in same], name, one) for name, one in wanted.items()]
    least = [_least([runs[n] for n in same], one) for one in wanted.values()]
    curves, bands = [], []
    for n in same:
        every = _costs(runs[n], wanted)
        if not any(one is not None for one in every):
            continue
        grown = list(pareto.hypervolume(every, reference, least))
        at = [_float(trial.get("at_seconds")) for trial in runs[n].trials]
        curves.append(
            {
                "run": n,
                "seen": [covered.seen for covered in grown],
                "seconds": [at[covered.seen - 1] for covered in grown],
                "share": [_short(covered.share) for covered in grown],
            }
        )
        if runs[n].asked.get("sampler") == _RANDOM and len(every) > 2:
            found = pareto.band(every, reference, least)
            bands.append(
                {"run": n, **{k: [getattr(b, k) for b in found] for k in found[0]._fields}}
            )
    point = [
        {"name": name, **wanted[name]._asdict(), "value": value, "least": low}
        for name, value, low in zip(objectives, reference, least, strict=True)
    ]
    return {
        "curves": curves,
        "bands": bands,
        "reference": point,
        "orders": pareto.ORDERS,
        "left_out": len(runs) - len(same),
    }


def _costs(run: Run, wanted: Mapping[str, Cost]) -> list[list[float] | None]:
    """Of each candidate, in order; None for one that is not feasible."""
    columns = [one.column for one in wanted.values()]
    return [
        [_float(trial[column]) for column in columns]
        if trial.get("status") == "ok" and _all(trial, columns)
        else None
        for trial in run.trials
    ]


def _worst(runs: Sequence[Run], name: str, one: Cost) -> float:
    """Of the reference point: guessing, for the error; else the limit asked for, or the largest."""
    if name == "error":
        classes = [len((run.about.get("data") or {}).get("classes") or ()) for run in runs]
        return 1 - 1 / max(classes) if max(classes) > 1 else 1.0
    limits = [run.asked.get(f"max_{name}") for run in runs]
    if all(limit is not None for limit in limits):
        return max(float(limit) for limit in limits if limit is not None)
    values = _values(runs, one)
    worst = max(values, default=1.0)
    return worst if worst > _least(runs, one) else worst + 1.0


def _least(runs: Sequence[Run], one: Cost) -> float:
    """The other end of what is covered: nothing; of an objective below that, the least there is."""
    return min([0.0, *_values(runs, one)])


def _values(runs: Sequence[Run], one: Cost) -> list[float]:
    return [_float(t[one.column]) for run in runs for t in run.trials if _all(t, (one.column,))]


def _columns(
    run: Run, objectives: Sequence[str], axes: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Column by column; choices as their numbers on the axis, -1 for one that it does not have."""
    own = [name for name in objectives if cost(name).column == name and name != "error"]
    names = dict.fromkeys([*_COLUMNS, *own])
    found: dict[str, Any] = {
        name: [_short(trial.get(name)) for trial in run.trials]
        for name in names
        if any(trial.get(name) is not None for trial in run.trials) or name in ("key", "number")
    }
    found["choices"] = {}
    for axis, of in axes.items():
        place = {choice: n for n, choice in enumerate(of)}
        found["choices"][axis] = [place.get(str(t.get(AXIS + axis)), -1) for t in run.trials]
    return found


def _by_key(ops: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for op in ops:
        row = {name: _short(value) for name, value in op.items() if name not in ("key", "n")}
        found.setdefault(str(op.get("key")), []).append(row)
    return found


def _trim(row: Row) -> Row:
    """Without the choices and the line, which stand elsewhere."""
    kept = {k: v for k, v in row.items() if not k.startswith(AXIS) and k != "arch"}
    return {name: _short(value) for name, value in kept.items()}


def _short(value: Cell) -> Cell:
    """Six digits are more than any of this is measured to."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _all(row: Row, columns: Sequence[str]) -> bool:
    return all(row.get(column) is not None for column in columns)


def _float(value: Cell) -> float:
    return math.nan if value is None else float(value)
