"""What a search makes small, and what it must not exceed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search_spaces.arch import Arch
from search_spaces.cost import Cost
from search_spaces.names import load, unknown
from search_spaces.plan import Plan


@dataclass(frozen=True, slots=True)
class Candidate:
    """All that is known of an architecture when its objectives are computed.

    error       share of the selection split that it decides wrongly
    latency_ms  predicted, of one image
    """

    arch: Arch
    plan: Plan
    cost: Cost
    error: float
    latency_ms: float


Objective = Callable[[Candidate], float]

# By name: the column it stands in, and what it is.
OBJECTIVES: dict[str, tuple[str, Objective]] = {
    "error": ("error", lambda c: c.error),
    "latency": ("latency_ms", lambda c: c.latency_ms),
    "size": ("size_bytes", lambda c: float(c.cost.weight_bytes)),
    "memory": ("memory_bytes", lambda c: float(c.cost.peak_bytes)),
    "ops": ("ops", lambda c: c.cost.ops),
}


def column(name: str) -> str:
    """Where an objective stands in a table; one of the user's own under its own name."""
    return OBJECTIVES[name][0] if name in OBJECTIVES else name


def find_objective(name: str) -> Objective:
    """By name, or one of your own by its place, `package.module:name`: smaller is better."""
    if name in OBJECTIVES:
        return OBJECTIVES[name][1]
    if ":" not in name:
        raise unknown("objective", name, OBJECTIVES)
    found = load(name)
    if not callable(found):
        raise ValueError(f"{name!r} is a function of a Candidate; got {type(found).__name__}")
    own: Objective = found
    return own


def values(candidate: Candidate, names: tuple[str, ...]) -> dict[str, float]:
    """Every column: all that have names, and the user's own among `names`."""
    every = dict.fromkeys((*OBJECTIVES, *names))
    return {column(name): float(find_objective(name)(candidate)) for name in every}


def exceeded(found: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, float]:
    """For each limit by how much it is exceeded, as a share of it; below 0 where there is room."""
    return {name: found[name] / limit - 1 for name, limit in limits.items()}
