"""Whole packed programs beside their real-valued twin in torch: where binary wins, and where not.

On a CPU one thread unless torch is given more. All take turns; times of ours are taken in the core,
torch's hold its own dispatch, as whoever calls it pays that too. On a GPU both are CUDA graphs,
their images lie there already, and the device itself says how long they took.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial

import numpy as np
import torch

from kernels import machine, timing
from kernels.apart import apart
from kernels.benches.bars import Verdict
from kernels.case import images, on_pixels, program
from kernels.cuda import baselines, commands
from kernels.cuda.device import index_of, open_device
from kernels.cuda.launch import Device
from kernels.engine import Engine
from kernels.program import Program
from kernels.progress import told
from kernels.timing import Runs, Timing
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan
from search_spaces.space import Space
from trainers.benches import twin
from trainers.benches.convolutions import convolutions

BASES = (1, 3, 4, 5, 8)
ARCHES = {**{f"K={k}": f"groupnet-k{k}" for k in BASES}, "bireal": "bireal"}
ON_PIXELS = "K=1 on pixels"
ROUNDS = 7
TWICE = 2.0  # as fast as torch bfloat16: the bar of a GPU
PATIENCE_S = 10.0  # of each measurement: to wait for others to leave the core

Measure = Callable[[Mapping[str, Runs]], dict[str, Timing]]


def programs(space: Space, batch: int, rounds: int) -> Iterator[str]:
    """Group-Net with K bases on the backbone of the space, `rounds` times over."""
    backbone, threads = space.backbone, torch.get_num_threads()
    yield f"{backbone.name}, batch {batch}, {threads} threads, {machine.here()}"
    engines = {
        name: Engine(packed, threads=threads)
        for name, packed in told(every_program(backbone).items(), "choosing kernels")
    }
    ours = {
        name: partial(engine.clock, images(engine.program, batch))
        for name, engine in engines.items()
    }
    least = timing.least_cpu(threads)
    measure = partial(timing.measure, rounds=ROUNDS, least_cpu=least, patience_s=PATIENCE_S)
    yield from side_by_side(ours, twin.every_form(backbone, batch), rounds, measure)
    yield from _branch_by_branch(backbone, batch, threads, rounds)
    yield from convolutions(engines["K=1"], images(engines["K=1"].program, batch), rounds)


def programs_on(name: str) -> Callable[[Space, int, int], Iterator[str]]:
    """The same programs on the GPU of that name."""
    device = open_device(name)
    if reason := baselines.why_not():
        raise ValueError(f"nothing to compare with: {reason}")

    def run(space: Space, batch: int, rounds: int) -> Iterator[str]:
        with torch.cuda.device(index_of(name)):
            theirs = twin.every_form_on("cuda", space.backbone, batch, baselines.graphed)
            yield from on_gpu(space.backbone, batch, rounds, device, theirs)

    return run


def on_gpu(
    backbone: Backbone, batch: int, rounds: int, device: Device, theirs: Mapping[str, Runs]
) -> Iterator[str]:
    yield f"{backbone.name}, batch {batch}, {device.name}, sm_{device.capability}"
    ours = {}
    for name, packed in told(every_program(backbone).items(), "choosing kernels"):
        ready = commands.program(packed, batch, device)
        ours[name] = partial(ready.clock, images(packed, batch))
    measure = partial(timing.measure, rounds=ROUNDS, tries=1, least_cpu=0.0)
    times = yield from side_by_side(ours, theirs, rounds, measure)
    yield str(bar(backbone, batch, times))


def bar(backbone: Backbone, batch: int, times: Mapping[str, float]) -> Verdict:
    """What a whole program must show on a GPU, and whether it did. torch is what is faster of its
    forms, which are all channels last and CUDA graphs."""
    about = f"ResNet-18, K=1: {TWICE:g}x torch bfloat16, batch 1"
    theirs = [took for name, took in times.items() if name.startswith("bfloat16")]
    if backbone.name != "resnet18" or batch != 1 or not theirs:
        return Verdict(about, None, "not measured in this run")
    ratio = min(theirs) / times["K=1"]
    return Verdict(about, ratio >= TWICE, f"{ratio:.2f}x")


def side_by_side(
    ours: Mapping[str, Runs], theirs: Mapping[str, Runs], rounds: int, measure: Measure
) -> Generator[str, None, dict[str, float]]:
    """All in turn, `rounds` times over: medians, their range, and ratios to theirs. Returns the
    medians, in ns."""
    things = {**ours, **theirs}
    every: dict[str, list[float]] = {name: [] for name in things}
    disturbed = crowded = 0.0
    for _ in told(range(rounds), "whole programs, round"):
        for name, found in measure(things).items():
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
    return times


def every_program(backbone: Backbone) -> dict[str, Program]:
    """What is timed, by name."""
    made = {name: _program(arch, backbone) for name, arch in ARCHES.items()}
    return {**made, ON_PIXELS: on_pixels(made["K=1"])}


def _program(name: str, backbone: Backbone) -> Program:
    arch = find_arch(name, backbone.name)
    styled = find_backbone(arch.backbone)  # some have a style of their own
    planned = plan(arch, styled.sized(backbone.height, backbone.channels, backbone.classes))
    (output,) = planned.outputs
    nodes = [step.node for step in planned.steps]
    return program(planned.values, nodes, output, np.random.default_rng(0))


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
        some = images(whole, batch)
        things = {way: partial(engine.clock, some) for way, engine in engines.items()}
        gains = []
        for _ in told(range(rounds), f"{name}, round"):
            least = timing.least_cpu(threads)
            found = timing.measure(things, 3 * ROUNDS, least_cpu=least, patience_s=PATIENCE_S)
            gains.append(found["apart"].median_ns / found["stacked"].median_ns - 1)
        low, high = min(gains), max(gains)
        yield (
            f"{name}: branch by branch takes {statistics.median(gains):+.0%} "
            f"({low:+.0%} to {high:+.0%})"
        )
