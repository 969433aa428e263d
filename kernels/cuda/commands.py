"""What the commands do with `--device cuda`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from kernels import case, files, timing
from kernels.cuda import bars, baselines, choice
from kernels.cuda import bench as benches
from kernels.cuda.device import open_device
from kernels.cuda.launch import Device
from kernels.cuda.program import CudaProgram
from kernels.engine import Images
from kernels.program import Program
from kernels.program_time import Times
from kernels.progress import Progress

CPU_ALONE = {"isa": None, "threads": 1}
CPU_BENCH = {
    **{"variant": None, "csv": None, "folder": None, "rounds": None, "patience": None},
    **{"runs": 1, "all": False},
}


def opened(asked: argparse.Namespace, plain: Mapping[str, object] = CPU_ALONE) -> Device:
    """The device that is asked for; what is of the CPU alone must not be."""
    for name, untouched in plain.items():
        if getattr(asked, name) != untouched:
            raise ValueError(
                f"--{name} is of the CPU; it has no meaning with --device {asked.device}"
            )
    return open_device(asked.device)


def program(packed: Program, batch: int, device: Device, *, measured: bool = True) -> CudaProgram:
    """With the tiles measured to be the fastest here, or those of a rule."""
    if measured:
        return CudaProgram(packed, batch, device, choice.fastest)
    return CudaProgram(packed, batch, device)


def bench(asked: argparse.Namespace) -> int:
    device = opened(asked, CPU_ALONE | CPU_BENCH)
    batches = benches.BATCHES if asked.batch is None else (asked.batch,)
    print(f"{device.name}, sm_{device.capability}, {device.processors} multiprocessors")
    print(benches.HEADER)
    rows = []
    names = [str(layer) for layer in asked.layers]
    progress = Progress(len(names), "layers")
    for row in benches.bench(asked.layers, device, batches, torch=asked.torch):
        rows.append(row)
        progress.end()
        print(row, flush=True)
        progress.at(names.index(row.layer))
        if asked.json:
            save(rows, device, asked.json)
    progress.end()
    for verdict in bars.judge(rows):
        print(verdict)
    if asked.torch and (reason := baselines.why_not()):
        print(f"torch, not measured: {reason}")
    return 0


def save(rows: Sequence[benches.Row], device: Device, file: Path) -> None:
    content = {
        "gpu": device.name,
        "capability": device.capability,
        "sources": choice.sources(),
        "rows": [dataclasses.asdict(row) for row in rows],
        "bars": [dataclasses.asdict(verdict) for verdict in bars.judge(rows)],
    }
    files.replace(file, json.dumps(content, indent=1) + "\n")


def time(asked: argparse.Namespace, packed: Program, arch: str | None) -> int:
    device = opened(asked)
    ready = program(packed, asked.batch, device)
    images = case.images(packed, asked.batch, normalised=False)
    whole = took(ready, images, asked.rounds)
    nodes = np.median(ready.clock_nodes(images, 3 * asked.rounds), axis=0)
    print(f"{device.name}, sm_{device.capability}: batch {asked.batch}")
    if arch:
        print(arch)
    for line in Times(whole, nodes, {}).lines(ready):
        print(line)
    return 0


def took(ready: CudaProgram, images: Images, rounds: int) -> timing.Timing:
    """A batch, from the images that lie on the device to the answer."""
    return choice.clocked(partial(ready.clock, images), rounds)
