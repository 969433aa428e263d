"""For each convolution on each GPU the fastest product and tile: measured once, and remembered.

As `kernels.choice` does for a CPU, and beside its files: one for each kind of GPU. What was found
is of an op with its epilogue, a batch, and the kernels' text: another text measures again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kernels import choice, files, gate, sample, timing
from kernels.cuda.alone import Alone, filled
from kernels.cuda.conv import Conv, candidates
from kernels.cuda.launch import Device
from kernels.cuda.tiles import Product, Tile
from kernels.op_data import parse, to_data
from kernels.timing import Runs, Timing

FORMAT = "binary-nas cuda kernels 1"
REPEATS = 20  # runs in a call that is timed
ROUNDS = 7


def fastest(op: Conv, batch: int, device: Device, folder: Path | None = None) -> Tile:
    """The fastest one; measured where nothing is remembered."""
    among = candidates(op, device.capability)
    file, key = path(device, folder), _key(op, batch)
    try:
        known = _read(file)
    except OSError:
        known = {}
    if key in known:
        tile = _tile(known[key], file)
        if tile in among:
            return tile
    times = compared(op, batch, device, among)
    best = min(times, key=lambda tile: times[tile].median_ns)
    entry = {"tile": best._asdict(), "us": {str(t): times[t].median_ns / 1e3 for t in times}}
    try:
        content = {"format": FORMAT, "gpu": device.name, "kernels": _read(file) | {key: entry}}
        files.replace(file, json.dumps(content, indent=1, sort_keys=True) + "\n")
    except OSError as closed:
        choice.not_kept(file, closed)
    return best


def compared(op: Conv, batch: int, device: Device, among: Sequence[Tile]) -> dict[Tile, Timing]:
    given = sample.parameters(op, np.random.default_rng(0))
    device.load(Alone(op, given, batch, tile).launch.kernel for tile in among)
    with gate.alone():
        return {tile: measured(op, batch, device, tile) for tile in among}


def measured(
    op: Any, batch: int, device: Device, tile: Tile | None, rounds: int = ROUNDS
) -> Timing:
    """One run of an op, by the device's clock, REPEATS of them in a call."""
    ready = filled(op, batch, device, tile)  # its memory is kept until the last run has ended
    run = ready.repeated(REPEATS)
    return clocked(lambda n: [took / REPEATS for took in device.clock(run, n)], rounds)


def clocked(runs: Runs, rounds: int = ROUNDS) -> Timing:
    """By the clock of a device, whose times say nothing of this processor."""
    return timing.measure({0: runs}, rounds, tries=1, least_cpu=0.0)[0]


def path(device: Device, folder: Path | None = None) -> Path:
    return choice.path(folder).with_name(f"{slug(device)}.json")


def slug(device: Device) -> str:
    """The name of a GPU, fit for a file."""
    words = re.sub(r"[^a-z0-9]+", "-", device.name.lower()).strip("-")
    return f"cuda-{words}-sm{device.capability}"


@functools.cache
def sources() -> str:
    """A hash of all kernels: times of one text say nothing of the next."""
    folder = resources.files("kernels.cuda") / "src"
    texts = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir())
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:12]


def _key(op: Conv, batch: int) -> str:
    asked = {"op": to_data(op), "batch": batch, "sources": sources()}
    return json.dumps(asked, sort_keys=True, separators=(",", ":"))


def _read(file: Path) -> dict[str, Any]:
    try:
        content = parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as torn:
        raise ValueError(f"cannot use {file}: it is not JSON ({torn}); delete it") from torn
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"cannot use {file}: it does not say {FORMAT!r}; delete it")
    kernels = content.get("kernels")
    if not isinstance(kernels, dict):
        raise ValueError(f"cannot use {file}: it has no table of kernels; delete it")
    return kernels


def _tile(entry: Any, file: Path) -> Tile:
    try:
        of = entry["tile"]
        sizes = (int(of[name]) for name in ("threads", "pixels", "groups"))
        return Tile(Product(of["product"]), *sizes)
    except (KeyError, TypeError, ValueError) as bad:
        raise ValueError(f"cannot use {file}: an entry is not as we write it ({bad!r})") from bad
