"""The front on the screen: known architectures beside it, in a table by time; what is next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from rich.table import Table

from nas.runs.run import Run
from reports.data import front_of, knee_of, too_slow, within
from reports.run import read
from reports.words import commands

MOST = 30  # rows of a table on a screen
T = TypeVar("T")


def front_table(run: Run) -> Table:
    """What was found, and what is known, fastest first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in (
        f"{run.about['metric']}*",
        "measured\nms",
        "predicted\nms",
        "weights\nkB",
        "memory\nkB",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("key and architecture", overflow="fold")
    rows = _rows(run)
    some = evenly(rows, MOST)
    shown = [row for row in rows if row in some or row[2] == "knee"]
    for _, mine, *cells in shown:
        table.add_row(*cells, style="" if mine else "dim")
    if len(shown) < len(rows):
        table.caption = f"{len(rows) - len(shown)} more in front.csv"
        table.caption_justify = "left"
    return table


def next_command(run: Run) -> str | None:
    """To retrain the knee, or the most accurate where there is none; nothing without a front."""
    found = read(run.home)
    front = front_of(found)
    if not front:
        return None
    knee = knee_of(within(found, front))
    return f"{commands(found)['retrain']} {'best' if knee is None else 'knee'}"


def evenly(rows: Sequence[T], most: int) -> list[T]:
    """Both ends, and of what lies between as many, as evenly, as there is room for."""
    if len(rows) <= most:
        return [*rows]
    return [rows[round(n * (len(rows) - 1) / (most - 1))] for n in range(most)]


def _rows(run: Run) -> list[tuple[Any, ...]]:
    """Time, whether it is on the front, and what stands in each column."""
    mine = run.front if run.has("front.csv") else None
    known = run.known if run.has("known.csv") else None
    names = {} if known is None else dict(zip(known["key"], known["name"], strict=True))
    every = [] if mine is None else mine.to_dict("records")
    keys = {row["key"] for row in every}
    others = [] if known is None else known.to_dict("records")
    every += [row for row in others if row["key"] not in keys]
    tables = read(run.home)
    knee, found = knee_of(within(tables, front_of(tables))), []
    slow = {row["key"] for row in front_of(tables) if too_slow(tables, row)}
    for row in every:
        time = row["measured_ms"] if _there(row["measured_ms"]) else row["latency_ms"]
        cells = (
            "too slow" if row["key"] in slow else _mark(row, keys, knee),
            f"{1 - row['error']:.2%}" if _there(row["error"]) else "",
            _ms(row["measured_ms"]),
            _ms(row["latency_ms"]),
            f"{row['size_bytes'] / 1e3:,.1f}",
            f"{row['memory_bytes'] / 1e3:,.1f}",
            f"{row['key']} {names.get(row['key']) or row['arch']}",
        )
        found.append((time if _there(time) else math.inf, row["key"] in keys, *cells))
    return sorted(found)


def _mark(row: dict[str, Any], front: set[Any], knee: object) -> str:
    if row["key"] not in front:
        return "known"
    if row["key"] == knee:
        return "knee"
    return "beaten" if row.get("on_measured") in (False, 0.0) else "front"


def _there(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _ms(value: float | None) -> str:
    return f"{value:.4g}" if value is not None and _there(value) else ""
