"""What the commands do with `--device cuda`."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

from kernels import case, timing
from kernels.cuda import baselines, choice
from kernels.cuda import bench as benches
from kernels.cuda.device import open_device
from kernels.cuda.launch import Device
from kernels.cuda.program import CudaProgram
from kernels.engine import Images
from kernels.program import Program
from kernels.program_time import Times


def opened(asked: argparse.Namespace) -> Device:
    """The device that is asked for; what is of the CPU alone must not be."""
    for name, plain in (("isa", None), ("variant", None), ("threads", 1), ("csv", None)):
        if getattr(asked, name, plain) != plain:
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
    device = opened(asked)
    batches = benches.BATCHES if asked.batch is None else (asked.batch,)
    print(f"{device.name}, sm_{device.capability}, {device.processors} multiprocessors")
    print(benches.HEADER)
    rows = []
    for row in benches.bench(asked.layers, device, batches, torch=asked.torch):
        rows.append(row)
        print(row)
        if asked.json:
            benches.save(rows, device, asked.json)
    if asked.torch and (reason := baselines.why_not()):
        print(f"torch, not measured: {reason}")
    return 0


def time(asked: argparse.Namespace, packed: Program, arch: str | None) -> int:
    device = opened(asked)
    ready = program(packed, asked.batch, device)
    images = case.images(packed, asked.batch)
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
    runs = {0: partial(ready.clock, images)}
    return timing.measure(runs, rounds, tries=1, least_cpu=0.0)[0]
