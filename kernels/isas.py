"""The table of instruction sets, and the kernels each of them has. The rows come from the core.

Ask for a row and you get that one or an error, never another.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from kernels import _core
from kernels.ops import BinaryConv


@dataclass(frozen=True, slots=True)
class Isa:
    """One instruction set, with its variants (name, what it does) of the binary convolution."""

    name: str
    about: str
    runs_here: bool
    variants: tuple[tuple[str, str], ...]
    limit_about: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, order=True)
class Choice:
    """A variant of an instruction set: what runs an op."""

    isa: str
    variant: str

    def __str__(self) -> str:
        return f"{self.isa} {self.variant}"


@functools.cache
def every() -> tuple[Isa, ...]:
    """All rows, best first, also those that this machine cannot run."""
    return tuple(
        Isa(name, about, runs, tuple(variants), limit)
        for name, about, runs, variants, limit in _core.table()
    )


@functools.cache
def available() -> tuple[Isa, ...]:
    """The rows this machine can run, best first."""
    return tuple(isa for isa in every() if isa.runs_here)


def choose(name: str | None = None) -> Isa:
    """The named instruction set, or the best one. Never another than the one asked for."""
    if name is None:
        return available()[0]
    for isa in available():
        if isa.name == name:
            return isa
    can = ", ".join(isa.name for isa in available())
    if name in {isa.name for isa in every()}:
        raise ValueError(f"this CPU cannot run {name!r}; it can run: {can}")
    raise ValueError(f"no instruction set is called {name!r}; this CPU can run: {can}")


def misfit(op: BinaryConv, choice: Choice) -> str:
    """Why this kernel cannot compute this op; empty if it can."""
    return str(_core.misfit(op, choice.isa, choice.variant))


def choices(op: BinaryConv, isa: str | None = None) -> tuple[Choice, ...]:
    """Every kernel of this machine (or of one of its instruction sets) that can compute the op."""
    rows = available() if isa is None else (choose(isa),)
    every_choice = [Choice(row.name, name) for row in rows for name, _ in row.variants]
    return tuple(choice for choice in every_choice if not misfit(op, choice))
