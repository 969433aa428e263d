"""What a search is asked to make small: in which column it stands, how it is called, its unit."""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    column: str
    label: str
    unit: str  # "ms", "bytes", "count" or "": how the page writes its numbers


_NAMED = {
    "error": Cost("error", "error", "share"),
    "latency": Cost("latency_ms", "time", "ms"),
    "size": Cost("size_bytes", "weights", "bytes"),
    "memory": Cost("memory_bytes", "peak memory", "bytes"),
    "ops": Cost("ops", "operations (FLOPs + BOPs / 64)", "count"),
}


def cost(name: str) -> Cost:
    """By the name of the objective; one of the user's own stands in a column of its name."""
    return _NAMED.get(name, Cost(name, name, ""))


def costs(objectives: list[str]) -> dict[str, Cost]:
    return {name: cost(name) for name in objectives}


def axes_to_plot(objectives: list[str]) -> dict[str, Cost]:
    """All that accuracy can be held against: time first, then what is counted, then one's own."""
    own = [name for name in objectives if name not in _NAMED]
    return {name: cost(name) for name in ("latency", "size", "memory", "ops", *own)}
