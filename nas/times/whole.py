"""Whole programs, timed in turn, while nothing else of ours runs on this machine."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import partial
from random import Random
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kernels import case, gate, profile, timing
from kernels.engine import Engine
from kernels.profile import Asked
from kernels.timing import Timing
from search_spaces.plan import Plan

GROUP = 16  # programs that take turns
NODES_NS = 3e7  # how long nodes are clocked in a pass, within so many runs
FEWEST_RUNS, MOST_RUNS = 5, 1000
K = TypeVar("K", bound=Hashable)


def timed(engines: Mapping[K, Engine], rounds: int = profile.ROUNDS) -> Iterator[dict[K, Timing]]:
    """As ops are measured, so as often: in groups that take turns, and the fastest counts.

    Yields after each group what is known so far; there are `turns` of them.
    """
    patience = profile.PATIENCE_S
    best: dict[K, Timing] = {}
    for turn in range(profile.PASSES):
        order = [*engines]
        Random(turn).shuffle(order)
        for first in range(0, len(order), GROUP):
            group = {key: engines[key] for key in order[first : first + GROUP]}
            things = {
                key: partial(engine.clock, case.images(engine.program, 1))
                for key, engine in group.items()
            }
            threads = max(engine.threads for engine in group.values())
            least = timing.least_cpu(threads)
            with gate.alone():
                if threads == 1:
                    patience -= timing.waited(patience)
                found = timing.measure(things, rounds, tries=2, least_cpu=least)
            for key, took in found.items():
                best[key] = min(best.get(key, took), took, key=lambda t: t.median_ns)
            yield best


def columns(took: Timing | None) -> dict[str, Any]:
    """As tables and result.json have it; empty where nothing was timed."""
    if took is None:
        return {"measured_ms": None, "spread_ms": None, "trusted": None}
    return {
        "measured_ms": took.median_ns / 1e6,
        "spread_ms": took.spread_ns / 1e6,
        "trusted": took.trusted,
    }


def by_node(engines: Mapping[K, Engine]) -> dict[K, NDArray[np.float64]]:
    """The nanoseconds of each node as it takes part in the whole: of each program the pass in which
    all of them took least."""
    best: dict[K, NDArray[np.float64]] = {}
    for _ in range(profile.PASSES):
        for key, engine in engines.items():
            images = case.images(engine.program, 1)
            with gate.alone():
                once = float(engine.clock_nodes(images, 2)[1].sum())
                runs = int(min(max(NODES_NS / once, FEWEST_RUNS), MOST_RUNS))
                took = np.median(engine.clock_nodes(images, runs), axis=0)
            if key not in best or took.sum() < best[key].sum():
                best[key] = took
    return best


def turns(programs: int) -> int:
    return profile.PASSES * -(-programs // GROUP)


def engine_of(planned: Plan, asked: Asked) -> Engine:
    """Random weights: they take as long as others."""
    nodes = tuple(step.node for step in planned.steps)
    (output,) = planned.outputs
    made = case.program(planned.values, nodes, output, np.random.default_rng(0))
    return Engine(made, threads=asked.threads, isa=asked.isa)
