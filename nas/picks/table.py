"""What retraining came to, in a table: three accuracies and two times of each.

A question mark: the machine was too busy for the time to be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from nas.runs.run import read_json

COLUMNS = (
    *("search", "retrained", "packed", "decide otherwise", "predicted ms", "measured ms"),
    *("memory kB", "file kB"),
)


def table(homes: Sequence[Path]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        made.add_column(name, justify="right")
    made.add_column("architecture", overflow="fold")
    for home in homes:
        made.add_row(*_row(home))
    return made


def _row(home: Path) -> list[str]:
    found = read_json(home / "result.json")
    searched, packed = found["search"], found["packed"]
    return [
        "" if searched is None else f"{searched['accuracy']:.2%}",
        f"{found['retrained']['accuracy']:.2%}",
        f"{packed['accuracy']:.2%}",
        f"{packed['decisions']:,}",
        _ms(found["predicted_ms"]),
        _ms(found["measured_ms"]) + ("?" if found["trusted"] is False else ""),
        f"{found['memory_bytes'] / 1e3:,.1f}",
        f"{found['file_bytes'] / 1e3:,.1f}",
        f"{found['known'] or found['arch']}, seed {found['seed']}",
    ]


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
