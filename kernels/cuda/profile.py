"""A profile of a GPU, in the form of one of a CPU: how long each op takes there, for one image.

An op's time is that of its kernel, many runs in one graph: what it takes to start a graph is in
none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from kernels import gate
from kernels.cuda import choice
from kernels.cuda.conv import is_conv
from kernels.cuda.launch import Device
from kernels.ops import Op
from kernels.profile import Entry, Profile

GROUP = 24  # ops between two times that the file is written


def empty(device: Device) -> Profile:
    return Profile(
        machine={
            "name": choice.slug(device),
            "cpu": device.name,
            "processors": device.processors,
            "capability": device.capability,
        },
        core=choice.sources(),
        clock_ghz=round(float(getattr(device, "clock_ghz", 0.0)), 2),
        threads=1,
        isa="cuda",
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        entries={},
    )


def measure(ops: Sequence[Op], device: Device, rounds: int) -> Iterator[list[Entry]]:
    """Group by group."""
    for first in range(0, len(ops), GROUP):
        with gate.alone():
            entries = [_entry(op, device, rounds) for op in ops[first : first + GROUP]]
        yield entries


def _entry(op: Op, device: Device, rounds: int) -> Entry:
    tile = choice.fastest(op, 1, device) if is_conv(op) else None  # type: ignore[arg-type]
    name = f"cuda {tile}" if tile is not None else "cuda"
    return Entry(op, name, choice.measured(op, 1, device, tile, rounds))
