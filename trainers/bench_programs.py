"""Whole packed programs beside their real-valued twin in torch: where binary wins, and where not.

One thread unless torch is given more. All take turns; times of ours are taken in the core, torch's
hold its own dispatch, as whoever calls it pays that too.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kernels import machine, timing
from kernels.apart import apart
from kernels.case import on_pixels, program
from kernels.engine import Engine
from kernels.program import Program
from kernels.progress import told
from kernels.timing import Runs
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan
from search_spaces.space import Space
from trainers import twin
from trainers.bench_convolutions import convolutions

BASES = (1, 3, 4, 5, 8)
ROUNDS = 7
PATIENCE_S = 10.0  # of each measurement: to wait for others to leave the core


class Ours(NamedTuple):
    engine: Engine
    runs: Runs


def programs(space: Space, batch: int, rounds: int) -> Iterator[str]:
    """Group-Net with K bases on the backbone of the space, `rounds` times over."""
    backbone, threads = space.backbone, torch.get_num_threads()
    yield f"{backbone.name}, batch {batch}, {threads} threads, {machine.here()}"
    names = {**{f"K={k}": f"groupnet-k{k}" for k in BASES}, "bireal": "bireal"}
    ours = {
        name: _ours(arch, backbone, batch, threads)
        for name, arch in told(names.items(), "choosing kernels")
    }
    ours["K=1 on pixels"] = _on_pixels(backbone, batch, threads)
    theirs = twin.every_form(backbone, batch)
    things = {**{name: one.runs for name, one in ours.items()}, **theirs}
    every: dict[str, list[float]] = {name: [] for name in things}
    disturbed = crowded = 0.0
    for _ in told(range(rounds), "whole programs, round"):
        for name, found in timing.measure(things, ROUNDS, patience_s=PATIENCE_S).items():
            every[name].append(found.median_ns)
            disturbed, crowded = max(disturbed, found.disturbed), max(crowded, found.crowded)
    yield (
        f"medians of {rounds} runs; at most {disturbed:.0%} of the turns were disturbed, and in "
        f"{crowded:.0%} others shared the core"
    )
    times = {name: statistics.median(took) for name, took in every.items()}
    for name, took in times.items():
        ratios = " ".join(f"{times[other] / took:6.2f}x {other}" for other in theirs)
        low, high = min(every[name]) / 1e6, max(every[name]) / 1e6
        yield f"{name:18} {took / 1e6:8.3f} ms ({low:.3f} to {high:.3f})  {ratios}"
    yield from _where_it_ends(times, list(theirs))
    yield from _branch_by_branch(backbone, batch, threads, rounds)
    yield from convolutions(ours["K=1"].engine, _images(backbone, batch), rounds)


def _ours(name: str, backbone: Backbone, batch: int, threads: int) -> Ours:
    engine = Engine(_program(name, backbone), threads=threads)
    return Ours(engine, partial(engine.clock, _images(backbone, batch)))


def _on_pixels(backbone: Backbone, batch: int, threads: int) -> Ours:
    engine = Engine(on_pixels(_program("groupnet-k1", backbone)), threads=threads)
    form = (batch, backbone.height, backbone.width, backbone.channels)
    pixels = np.random.default_rng(1).integers(0, 256, form, np.uint8)
    return Ours(engine, partial(engine.clock, pixels))


def _program(name: str, backbone: Backbone) -> Program:
    arch = find_arch(name, backbone.name)
    planned = plan(arch, find_backbone(arch.backbone))
    (output,) = planned.outputs
    nodes = [step.node for step in planned.steps]
    return program(planned.values, nodes, output, np.random.default_rng(0))


def _images(backbone: Backbone, batch: int) -> NDArray[np.float32]:
    form = (batch, backbone.height, backbone.width, backbone.channels)
    return np.random.default_rng(1).standard_normal(form, np.float32)


def _where_it_ends(times: dict[str, float], theirs: list[str]) -> Iterator[str]:
    """The K from which on a form of the twin is faster; times are linear in K."""
    slope, base = np.polyfit(BASES, [times[f"K={k}"] for k in BASES], 1)
    for other in theirs:
        most = int((times[other] - base) // slope)
        yield f"faster than {other} up to K={most}" if most > 0 else f"never faster than {other}"


def _branch_by_branch(backbone: Backbone, batch: int, threads: int, rounds: int) -> Iterator[str]:
    """K bases as one op, summed in registers, beside an op for each and a pass that sums them."""
    for name in ("groupnet-k3", f"{backbone.name} | {len(backbone.blocks)}x3 layer"):
        whole = _program(name, backbone)
        engines = {
            "stacked": Engine(whole, threads=threads),
            "apart": Engine(apart(whole), threads=threads),
        }
        images = _images(backbone, batch)
        things = {way: partial(engine.clock, images) for way, engine in engines.items()}
        gains = []
        for _ in told(range(rounds), f"{name}, round"):
            found = timing.measure(things, 3 * ROUNDS, patience_s=PATIENCE_S)
            gains.append(found["apart"].median_ns / found["stacked"].median_ns - 1)
        low, high = min(gains), max(gains)
        yield (
            f"{name}: branch by branch takes {statistics.median(gains):+.0%} "
            f"({low:+.0%} to {high:+.0%})"
        )
