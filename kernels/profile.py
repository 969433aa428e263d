"""A profile: how long each op of a list takes on one machine, one image at a time, as a file.

Ops are timed in groups whose members take turns, and all of them several times over, in other
groups each time, of which the fastest counts: so a slow minute of the machine is in no op's time.
Before each run its input is written anew, as the op before it would have done, so that it is found
where a program finds it.

The file is portable: it is made where the networks will run, and used where they are searched. That
takes NumPy and this package there, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from kernels import choice, files, gate, isas, machine, timing
from kernels.case import Case, case
from kernels.op_data import from_data, parse, to_data
from kernels.ops import BinaryConv, BinaryLinear, Op
from kernels.timing import Timing

FORMAT = "binary-nas profile 1"
GROUP = 24  # ops that take turns
PASSES = 3  # over all ops
ROUNDS = 12  # in each of them
PATIENCE_S = 10.0  # in all: to wait for others to leave the core


@dataclass(frozen=True, slots=True)
class Entry:
    """An op, the kernel that ran it, and its time."""

    op: Op
    kernel: str
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What times depend on besides the op."""

    threads: int = 1
    isa: str | None = None
    rounds: int = ROUNDS


@dataclass(frozen=True, slots=True)
class Part:
    """What was stopped: the ops of one call of `measure`, and how many groups it gave."""

    ops: tuple[Op, ...]
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`machine` and `core` say where and with which build; `clock_ghz` what a core ran at.

    With a `part` times are there that not all passes have gone into yet.
    """

    machine: Mapping[str, Any]
    core: str
    clock_ghz: float
    threads: int
    isa: str | None
    made: str
    entries: Mapping[Op, Entry]
    part: Part | None = None

    def time_ns(self, op: Op) -> float:
        """The median. A KeyError names an op that was not measured."""
        try:
            return self.entries[op].timing.median_ns
        except KeyError:
            raise KeyError(f"the profile has no {op}") from None

    def with_entries(self, entries: Iterable[Entry]) -> Profile:
        """Where an op has a time already, the shorter one stays."""
        every = dict(self.entries)
        for entry in entries:
            known = every.get(entry.op, entry)
            every[entry.op] = min(known, entry, key=lambda e: e.timing.median_ns)
        return replace(self, entries=every)

    @property
    def doubt(self) -> str:
        """How many times are doubtful, and why; empty where none is."""
        return timing.doubts([entry.timing for entry in self.entries.values()])

    def same_place(self, other: Profile) -> bool:
        """Whether times of both may stand in one file."""
        names = (self.machine["name"], other.machine["name"])
        mine, its = ((p.core, p.threads, p.isa) for p in (self, other))
        return names[0] == names[1] and mine == its


def empty(asked: Asked) -> Profile:
    """A profile of this machine, now, with nothing in it."""
    return Profile(
        machine=machine.here().to_dict(),
        core=machine.core(),
        clock_ghz=round(machine.clock_ghz(), 2),
        threads=asked.threads,
        isa=asked.isa,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        entries={},
    )


def measure(
    ops: Sequence[Op], asked: Asked, skipped: int = 0, waiting: bool = True
) -> Iterator[list[Entry]]:
    """Group by group, in PASSES passes; of each op the fastest is to be kept (`with_entries`).

    Every op is measured, busy machine or not: look at `timing.trusted`; but with `waiting` groups
    wait for others to leave the core, PATIENCE_S in all. To go on where another call was stopped,
    skip as many groups as it gave.
    """
    patience = PATIENCE_S if waiting and asked.threads == 1 else 0.0
    for turn in range(PASSES):
        order = list(ops)
        if turn > 0:
            Random(turn).shuffle(order)
        for first in range(0, len(order), GROUP):
            if skipped > 0:
                skipped -= 1
                continue
            ready = [_ready(op, asked) for op in order[first : first + GROUP]]
            with gate.alone():
                patience -= timing.waited(patience)
                entries = _group(ready, asked)
            yield entries


def groups(ops: int) -> int:
    """How many groups `measure` gives."""
    return PASSES * -(-ops // GROUP)


def pass_of(ops: int, groups: int) -> str:
    """In words, the pass that is going on when `measure` has given so many groups."""
    return f"pass {min(groups // -(-ops // GROUP) + 1, PASSES)} of {PASSES}"


def timed(ops: int, groups: int) -> int:
    """How many times are in so many groups of so many ops."""
    passes, more = divmod(groups, -(-ops // GROUP))
    return passes * ops + min(more * GROUP, ops)


Ready = tuple[Case, str]


def _ready(op: Op, asked: Asked) -> Ready:
    chosen = None
    if isinstance(op, BinaryConv | BinaryLinear):
        chosen = choice.chosen(op, asked.threads, asked.isa)
    return case(op, chosen, asked.isa, asked.threads), str(chosen or isas.choose(asked.isa))


def _group(ready: Sequence[Ready], asked: Asked) -> list[Entry]:
    things = {n: one.runs for n, (one, _) in enumerate(ready)}
    least = timing.least_cpu(asked.threads)
    times = timing.measure(things, asked.rounds, tries=2, least_cpu=least)
    return [Entry(one.op, kernel, times[n]) for n, (one, kernel) in enumerate(ready)]


def save(profile: Profile, path: Path) -> None:
    entries = [
        {"op": to_data(entry.op), "kernel": entry.kernel, **asdict(entry.timing)}
        for entry in profile.entries.values()
    ]
    content = {"format": FORMAT, **_about(profile), "entries": entries}
    if (part := profile.part) is not None:
        content["part"] = {"ops": [to_data(op) for op in part.ops], "groups": part.groups}
    files.replace(path, json.dumps(content, indent=1) + "\n")


def _about(profile: Profile) -> dict[str, Any]:
    return {
        "machine": dict(profile.machine),
        "core": profile.core,
        "clock_ghz": profile.clock_ghz,
        "threads": profile.threads,
        "isa": profile.isa,
        "made": profile.made,
    }


_TIMES = tuple(one.name for one in fields(Timing) if one.name != "rounds")


def load(path: Path) -> Profile:
    """Errors name the file and what is wrong with it."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except ValueError as torn:
        raise ValueError(f"{path} is no profile: it is not JSON ({torn})") from torn
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is no profile: it does not say {FORMAT!r}")
    try:
        about = {name: content[name] for name in ("machine", "core", "clock_ghz", "threads")}
        entries = [_entry(row) for row in content["entries"]]
        _ = about["machine"]["name"]
        return Profile(
            **about,
            isa=content["isa"],
            made=str(content["made"]),
            entries={entry.op: entry for entry in entries},
            part=_part(content["part"]) if "part" in content else None,
        )
    except (KeyError, TypeError, ValueError) as bad:
        raise ValueError(f"{path} is no whole profile: {bad!r}") from bad


def _part(row: Mapping[str, Any]) -> Part:
    part = Part(tuple(from_data(op) for op in row["ops"]), int(row["groups"]))
    if not part.ops or part.groups < 1:
        raise ValueError(f"a part is {part.groups} groups of {len(part.ops)} ops")
    return part


def _entry(row: Mapping[str, Any]) -> Entry:
    row = {"crowded": 0.0, **row}  # which files made before it was looked for do not have
    times = {name: float(row[name]) for name in _TIMES}
    return Entry(
        from_data(row["op"]), str(row["kernel"]), Timing(**times, rounds=int(row["rounds"]))
    )
