"""For each op on each machine the fastest kernel: found by measuring, once, and remembered.

What was found is in a file named after the machine, in a cache folder. A kernel is remembered for
an op with its epilogue, a batch, a number of threads, the kernels it was chosen among, and the
build of the core: a new build measures again. A file that is not ours, or torn, is an error that
names it, never overwritten: we write beside and rename, so it was not us who broke it. Where there
is no place for it, or it cannot be read, nothing is remembered, and that is said once.

Two processes may write at once: each reads again what is there, adds its own and renames. If both
do so in the same instant, the later one wins, and the other's kernel is measured once more.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kernels import files, gate, isas, machine, sample, timing
from kernels.isas import Choice
from kernels.op_data import from_data, parse
from kernels.ops import BinaryConv, BinaryLinear
from kernels.timing import Timing

FORMAT = "binary-nas kernels 1"
ROUNDS = 15
PATIENCE_S = 1.0  # for each op: to wait for others to leave the core
PATIENCE_OF_ALL_S = 30.0  # and for all that a process chooses
BUILDS = 4  # of the core whose choices are kept, this one among them
SHARED = 0.5  # of the turns may be shared, for a kernel to be remembered: see `keeps`

# How much faster a kernel has to be in a program: AMX lowers the clock of the core for a while
# (2.59 to 2.24 GHz were seen), and the ops after it pay for that.
SLOWING = {"amx": 1.1}


@dataclass(frozen=True, slots=True)
class Found:
    """A remembered kernel: for what it was chosen, among what, and the nanoseconds of each."""

    op: BinaryConv
    batch: int
    threads: int
    core: str
    choice: Choice
    medians: dict[Choice, float]


class Patience:
    left = PATIENCE_OF_ALL_S


patience = Patience()
_said: dict[Any, Any] = {}  # each warning once


def fastest(
    op: BinaryConv | BinaryLinear,
    batch: int = 1,
    threads: int = 1,
    isa: str | None = None,
    variant: str | None = None,
    folder: Path | None = None,
) -> Choice:
    """The fastest kernel for the op, or the one that is named.

    With `isa` or `variant` only those that have that name are compared; with both there is nothing
    to measure. What this machine lacks is an error that lists what can run.
    """
    times = medians(op, candidates(op.as_conv(), isa, variant), batch, threads, folder)
    return min(times, key=times.__getitem__)


@functools.cache
def chosen(op: BinaryConv | BinaryLinear, threads: int = 1, isa: str | None = None) -> Choice:
    """The kernel for an op among other ops: the fastest, but see `SLOWING`.

    It is asked once in a process: also where the machine was too busy to remember it.
    """
    return in_a_program(medians(op, candidates(op.as_conv(), isa), threads=threads))


def known(op: BinaryConv | BinaryLinear, threads: int = 1) -> bool:
    """Whether `chosen` has nothing to measure."""
    among = candidates(op.as_conv())
    return len(among) == 1 or _key(op.as_conv(), 1, threads, among) in _there(path())


def in_a_program(times: Mapping[Choice, float]) -> Choice:
    """The fastest, where what comes after it counts too."""
    return min(times, key=lambda kernel: times[kernel] * SLOWING.get(kernel.isa, 1.0))


def medians(
    op: BinaryConv | BinaryLinear,
    among: Sequence[Choice],
    batch: int = 1,
    threads: int = 1,
    folder: Path | None = None,
) -> dict[Choice, float]:
    """The nanoseconds of each of these kernels, measured or remembered.

    Where there is only one it is not measured: 0.
    """
    if len(among) == 1:
        return {among[0]: 0.0}
    conv = op.as_conv()
    file, key = path(folder), _key(conv, batch, threads, among)
    entry = _there(file).get(key)
    if entry is not None:
        return _found(key, entry, file).medians
    case = sample.case(conv, batch, np.random.default_rng(0))
    # The best instruction set last: AMX slows the clock for a while, and nothing follows it at once
    # but the plainest of the next round.
    things = {kernel: case.runs(kernel, threads) for kernel in reversed(among)}
    least = timing.least_cpu(threads)
    with gate.alone():
        patience.left -= timing.waited(min(PATIENCE_S, patience.left))
        times = timing.measure(things, ROUNDS, least_cpu=least)
    remember(conv, batch, threads, times, folder)
    return {kernel: times[kernel].median_ns for kernel in among}


def candidates(
    op: BinaryConv, isa: str | None = None, variant: str | None = None
) -> tuple[Choice, ...]:
    """The kernels of this machine that can compute the op and have the names asked for."""
    every = isas.choices(op)
    asked = () if isa is None else isas.choices(op, isa)  # an unknown name is an error in there
    among = tuple(c for c in (asked if isa else every) if variant in (None, c.variant))
    if among:
        return among
    wish = " ".join(name for name in (isa, variant) if name)
    can = ", ".join(map(str, every))
    if not wish:
        raise ValueError(f"no kernel of this machine can compute {op}")
    why = _misfit(op, isa, variant)
    raise ValueError(f"no kernel {wish!r} runs this op here{why}; it can run on: {can}")


def remember(
    op: BinaryConv | BinaryLinear,
    batch: int,
    threads: int,
    times: Mapping[Choice, Timing],
    folder: Path | None = None,
) -> Choice:
    """The fastest of what was measured, kept where the machine was quiet enough."""
    if not times:
        raise ValueError("there is nothing to choose among: no kernel was measured")
    best = min(times, key=lambda choice: times[choice].median_ns)
    if keeps(times):
        entry = {
            "isa": best.isa,
            "variant": best.variant,
            "times": {str(choice): asdict(time) for choice, time in times.items()},
        }
        _add(_key(op.as_conv(), batch, threads, tuple(times)), entry, path(folder))
    return best


def _add(key: str, entry: dict[str, Any], file: Path) -> None:
    try:
        before = {old: of for old, of in _kernels(file).items() if old != key}
        kernels = _recent({**before, key: entry}, file)
        text = {"format": FORMAT, "machine": machine.here().to_dict(), "kernels": kernels}
        files.replace(file, json.dumps(text, indent=1) + "\n")
    except OSError as closed:
        not_kept(file, closed)


def _recent(kernels: dict[str, Any], file: Path) -> dict[str, Any]:
    """Those of the last few builds that chose anything. The newest entry is the last one."""
    built = {key: _asked(key, file)["core"] for key in kernels}
    builds = [*dict.fromkeys(reversed(built.values()))][:BUILDS]
    return {key: of for key, of in kernels.items() if built[key] in builds}


def not_kept(file: Path, closed: OSError) -> None:
    words = f"the fastest kernels are measured anew each time: {file} cannot be kept"
    text = f"{words} ({closed.strerror})"
    warnings.warn_explicit(text, UserWarning, "kernels", 0, registry=_said)  # not a line of ours


def keeps(times: Mapping[Choice, Timing]) -> bool:
    """Whether to believe these times the next time too.

    Not where the machine was too busy, nor where most turns were shared with others on the core:
    that slows some kernels more than others, AMX by a factor of two.
    """
    return all(time.trusted and time.crowded <= SHARED for time in times.values())


def path(folder: Path | None = None) -> Path:
    """The file of this machine."""
    if folder is None:
        folder = machine.cache() / "kernels"
    return folder / f"{machine.here().name}.json"


def read(file: Path) -> dict[str, Found]:
    """All that the file remembers, by key; nothing where there is none yet, or none to be read."""
    return {key: _found(key, entry, file) for key, entry in _there(file).items()}


def _there(file: Path) -> dict[str, Any]:
    try:
        return _kernels(file)
    except OSError:
        return {}


def _key(op: BinaryConv, batch: int, threads: int, among: Sequence[Choice]) -> str:
    """Canonical text. Equal questions, and only they, have the same one."""
    question = {
        "op": asdict(op),
        "batch": batch,
        "threads": threads,
        "among": sorted(map(str, among)),
        "core": machine.core(),
    }
    return json.dumps(question, sort_keys=True, separators=(",", ":"))


def _kernels(file: Path) -> dict[str, Any]:
    try:
        now = file.stat()
    except FileNotFoundError:
        return {}
    return _parsed(file, now.st_ino, now.st_mtime_ns, now.st_size)


@functools.lru_cache(maxsize=2)
def _parsed(file: Path, *version: int) -> dict[str, Any]:
    """A search asks for hundreds of ops, one by one, and the file has as many."""
    try:
        content = parse(file.read_text(encoding="utf-8"))
    except ValueError as torn:
        raise ValueError(f"{_unusable(file)}: it is not JSON ({torn})") from torn
    ours = isinstance(content, dict) and content.get("format") == FORMAT
    if not ours or not isinstance(content.get("kernels"), dict):
        raise ValueError(f"{_unusable(file)}: it does not say {FORMAT!r}")
    kernels: dict[str, Any] = content["kernels"]
    return kernels


def _asked(key: str, file: Path) -> dict[str, Any]:
    try:
        return {"core": None, **parse(key)}
    except (ValueError, TypeError) as bad:
        raise ValueError(f"{_unusable(file)}: an entry is not as we write it ({bad!r})") from bad


def _found(key: str, entry: Any, file: Path) -> Found:
    asked = _asked(key, file)
    try:
        op = from_data({**asked["op"], "op": BinaryConv.__name__})
        assert isinstance(op, BinaryConv)
        best = Choice(str(entry["isa"]), str(entry["variant"]))
        medians = {
            Choice(*name.split(" ", 1)): float(entry["times"][name]["median_ns"])
            for name in asked["among"]
        }
        if best not in medians:
            raise KeyError(str(best))
        return Found(
            op=op,
            batch=int(asked["batch"]),
            threads=int(asked["threads"]),
            core=str(asked["core"]),
            choice=best,
            medians=medians,
        )
    except (ValueError, TypeError, KeyError) as bad:
        raise ValueError(f"{_unusable(file)}: an entry is not as we write it ({bad!r})") from bad


def _unusable(file: Path) -> str:
    return (
        f"cannot use {file}, where the fastest kernels are remembered; "
        "delete it or name another folder"
    )


def _misfit(op: BinaryConv, isa: str | None, variant: str | None) -> str:
    """Why a kernel of that name, which is there, cannot compute the op."""
    rows = isas.available() if isa is None else (isas.choose(isa),)
    for row in rows:
        for name, _ in row.variants:
            if variant in (None, name) and (why := isas.misfit(op, Choice(row.name, name))):
                return f" ({row.name} {name}: {why})"
    return ""
