"""The rows of runs that nobody ran: real architectures and costs, made-up errors and times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from kernels.ops import BinaryConv, Linear, Mix, Op, Pack, RealConv, Skip
from reports import pareto
from reports.made_up.asked import MadeUp
from reports.run import AXIS
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.cost import cost
from search_spaces.known import KNOWN, known
from search_spaces.planner import plan
from search_spaces.text import parse, to_text


def trials(made: MadeUp) -> list[dict[str, Any]]:
    """At random, and mostly near what was good, as a search would; never the same one twice."""
    rng = Random(f"trials {made.seed}")
    rows: list[dict[str, Any]] = []
    good: list[tuple[float, tuple[int, ...]]] = []
    at, seen = 0.0, set[str]()
    wanted = made.trials if made.told is None else made.told
    for _ in range(50 * wanted):  # a small space may not have so many
        if len(rows) == wanted:
            break
        genome = made.space.sample(rng)
        if good and made.sampler != "random" and rng.random() < 0.7:
            genome = made.space.mutate(rng.choice(good[:20])[1], rng).genome
        arch = made.space.decode(genome)
        if arch.key in seen:
            continue
        seen.add(arch.key)
        row = _scored(made, arch, rng)
        good = sorted([*good, (row["error"] + row["latency_ms"] / 8, genome)])[:40]
        at += rng.uniform(1.5, 3.0)
        chosen = zip(made.space.axes, genome, strict=True)
        choices = {AXIS + axis.name: str(axis.choices[n]) for axis, n in chosen}
        place = {"number": len(rows), "at_seconds": at, "batch": len(rows) // 8}
        rows.append({**place, **row, **choices})
    return [_failed(row) if rng.random() < made.failing else row for row in rows]


def _failed(row: dict[str, Any]) -> dict[str, Any]:
    lost = dict.fromkeys(("error", "loss"), "")
    return {**row, **lost, "status": "failed", "note": "the loss was not a number"}


def _scored(made: MadeUp, arch: Arch, rng: Random) -> dict[str, Any]:
    numbers = _numbers(made, arch)
    error = _error(arch, numbers["ops"]) + rng.gauss(0, 0.004)
    late = made.max_latency is not None and numbers["latency_ms"] > made.max_latency
    own = {n: rng.random() for n in made.objectives if n not in ("error", "latency", *numbers)}
    return {
        "key": arch.key,
        "arch": to_text(arch),
        "known": made.names.get(arch.key, ""),
        "status": "infeasible" if late else "ok",
        "note": "",
        "error": error,
        "loss": 3 * error,
        **numbers,
        **own,
        "seconds": rng.uniform(1.0, 2.0),
    }


def _error(arch: Arch, ops: float) -> float:
    gates = sum(group.link == "gate" for group in arch.groups) / len(arch.groups)
    skips = 0.004 * len(arch.skips)
    return 0.09 + 0.35 / (1 + math.sqrt(ops / 4e5)) - 0.02 * gates - min(skips, 0.012)


def _numbers(made: MadeUp, arch: Arch) -> dict[str, float]:
    planned = plan(arch, find_backbone(arch.backbone))
    counted = cost(planned)
    return {
        "latency_ms": 1.03 * sum(map(_op_us, planned.ops)) / 1e3,
        "size_bytes": counted.weight_bytes,
        "memory_bytes": counted.peak_bytes,
        "ops": counted.ops,
    }


def _op_us(op: Op) -> float:
    """Made up, but near what was measured."""
    match op:
        case BinaryConv():
            return 0.4 + op.macs / 450e3
        case RealConv() | Linear():
            return 0.5 + op.macs / 35e3
        case _:
            return 1.2


FRONT = (
    *("number", "key", "arch", "known", "error", "latency_ms", "measured_ms", "spread_ms"),
    *("trusted", "size_bytes", "memory_bytes", "ops", "on_measured", "same_path", "images"),
    *("decisions", "signs", "flips"),
)


def front(made: MadeUp, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = {"error": "error", "latency": "latency_ms", "size": "size_bytes"}
    columns |= {"memory": "memory_bytes"}
    wanted = [columns.get(name, name) for name in made.objectives]
    ok = [row for row in rows if row["status"] == "ok"]
    kept = pareto.front([[float(row[column]) for column in wanted] for row in ok])
    return [row for row, on in zip(ok, kept, strict=True) if on]


def known_rows(made: MadeUp) -> list[dict[str, Any]]:
    rows = []
    for name in KNOWN:
        arch = known(name, made.space.backbone)
        numbers = _numbers(made, arch)
        same = arch.backbone == made.space.backbone.name and name.startswith("groupnet")
        error: Any = _error(arch, numbers["ops"]) + 0.01 if same and "k8" not in name else ""
        rows.append(
            {"name": name, "key": arch.key, "arch": to_text(arch), "known": name, "error": error}
            | numbers
        )
    return rows


def timed(made: MadeUp, row: Mapping[str, Any]) -> dict[str, Any]:
    if not made.measured:
        return dict(row)
    rng = Random(f"timed {made.seed} {row['key']}")
    measured = float(row["latency_ms"]) * rng.gauss(1, 0.025)
    return {
        **row,
        "measured_ms": measured,
        "spread_ms": measured * rng.uniform(0.004, 0.03),
        "trusted": rng.random() > 0.05,
        "on_measured": rng.random() > 0.1,
        "same_path": True,
        "images": 500,
        "decisions": int(rng.random() > 0.8),
        "signs": 250_240_000,
        "flips": rng.randrange(60),
    }


def ops(made: MadeUp, row: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    arch = parse(str(row["arch"]))
    for n, op in enumerate(plan(arch, find_backbone(arch.backbone)).ops):
        predicted = _op_us(op)
        rng = Random(f"{row['key']} {n}")
        yield {
            "key": row["key"],
            "n": n,
            "op": _short(op),
            "kind": _kind(op),
            "predicted_us": predicted,
            "measured_us": predicted * rng.gauss(1.03, 0.05) if made.measured else "",
        }


def _kind(op: Op) -> str:
    match op:
        case BinaryConv():
            return "binary"
        case RealConv() | Linear():
            return "real"
        case Pack():
            return "packing"
        case _:
            return "glue"


def _short(op: Op) -> str:
    match op:
        case BinaryConv():
            met = f"{op.bases} own" if op.own else f"{op.inputs} in x {op.bases}"
            return f"binary {op.kernel}x{op.kernel} {op.channels}->{op.filters}@{op.height} ({met})"
        case RealConv():
            return f"real {op.kernel}x{op.kernel} {op.channels}->{op.filters}@{op.height}"
        case Mix():
            return f"{op.kind} of {op.inputs} into {op.outputs}, {op.channels}@{op.height}"
        case Skip() | Pack():
            return f"{type(op).__name__.lower()} {op.channels}@{op.height}"
        case _:
            return type(op).__name__.lower()


def kernels(made: MadeUp, front: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in front:
        for op in ops(made, row):
            if op["kind"] == "binary":
                found.setdefault(op["op"], op)
    rows = []
    for n, (name, op) in enumerate(found.items()):
        us = float(op["measured_us"])
        rows.append(
            {
                "op": name,
                "kernel": "avx2 panel",
                "median_us": us,
                "spread_us": us * 0.02,
                "float32_us": us * (0.8 if n == 3 else 9 + n % 7),
                "int8_us": us * (5 + n % 4) if n % 5 else "",
            }
        )
    return rows


def spread(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: float(row["latency_ms"]))
    places = [round((n + 0.5) * len(ordered) / count - 0.5) for n in range(count)]
    return list({place: ordered[place] for place in places if ordered}.values())


def others(made: MadeUp, rows: Sequence[Mapping[str, Any]], count: int) -> Iterable[dict[str, Any]]:
    """Architectures of the space that were no candidates."""
    rng, seen = Random(f"others {made.seed}"), {row["key"] for row in rows}
    while count > 0 and len(seen) < made.space.count().architectures:
        arch = made.space.decode(made.space.sample(rng))
        if arch.key not in seen:
            seen.add(arch.key)
            count -= 1
            yield {**_scored(made, arch, rng), "status": ""}


def pick(made: MadeUp, row: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Of what was no candidate the search knows no accuracy."""
    accuracy = 1 - float(row["error"]) + 0.002 * (seed - made.seed)
    return {
        "arch": row["arch"],
        "key": row["key"],
        "known": row["known"] or None,
        "seed": seed,
        "recipe": "standard",
        "schedule": "100 epochs, Adam 3e-3, cosine to 0, batch 128, shift + flip",
        "seconds": 4000.0,
        "search": {"accuracy": 1 - float(row["error"])} if row["status"] else None,
        "retrained": {"accuracy": accuracy + 0.031, "count": 10000},
        "packed": {"accuracy": accuracy + 0.0309, "count": 10000, "decisions": 1},
        "predicted_ms": row["latency_ms"],
        "measured_ms": row.get("measured_ms"),
        "spread_ms": row.get("spread_ms"),
        "memory_bytes": row["memory_bytes"],
        "size_bytes": row["size_bytes"],
        "file_bytes": int(row["size_bytes"]) + 2345,
    }


def fidelity(made: MadeUp, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of candidates, and of others: a sample is drawn from all of the space."""
    rng = Random(f"fidelity {made.seed}")
    scored = [row for row in rows if row["status"] != "failed"]
    some = [*rng.sample(scored, min(18, len(scored))), *others(made, rows, 6)]
    archs = [
        {
            "key": row["key"],
            "arch": row["arch"],
            "supernet": 1 - float(row["error"]),
            "standalone": 1.03 - float(row["error"]) + rng.gauss(0, 0.008),
            "predicted_ms": row["latency_ms"],
        }
        for row in some
    ]
    return {
        "archs": archs,
        **{"tau": 0.71, "tau_low": 0.52, "tau_high": 0.84},
        **{"spearman": 0.86, "spearman_low": 0.68, "spearman_high": 0.94},
        "top_third": {"tau": 0.43, "tau_low": 0.05, "tau_high": 0.71},
        "corrected": {"tau": 0.79, "low": 0.63, "high": 0.9},
        "predictors": [{"name": "operations", "tau": 0.55, "low": 0.3, "high": 0.73}],
        "ceiling": {"tau": 0.88, "low": 0.78, "high": 0.95},
    }
