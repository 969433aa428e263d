"""What the kernels must show, and whether they did: a line for each bar.

The bars are stated for one thread and one image, the first two for a CPU with VPOPCNTDQ; where one
cannot be judged its line says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kernels import isas
from kernels.benches.rows import Row

LIMIT_SMALL = {"16@32": 0.60, "32@16": 0.75}
TIMES_FLOAT32 = {"64@56": 12.0, "128@28": 12.0, "256@14": 12.0, "512@7": 22.0, "512@4": 28.0}
FUSED = 0.15


@dataclass(frozen=True, slots=True)
class Bar:
    """A number of the rows it is for, and what that has to be."""

    about: str
    needs_popcount: bool
    number: Callable[[Row], float | None]
    wanted: Callable[[Row], float | None]  # None: the bar is not for this row
    show: Callable[[float], str]
    at_most: bool = False

    def passed(self, row: Row) -> bool | None:
        number, wanted = self.number(row), self.wanted(row)
        if number is None or wanted is None:
            return None
        return number <= wanted if self.at_most else number >= wanted


@dataclass(frozen=True, slots=True)
class Verdict:
    """met is None where the bar was not judged, and the text says why."""

    about: str
    met: bool | None
    text: str

    def __str__(self) -> str:
        word = {True: "met", False: "NOT MET", None: "-"}[self.met]
        return f"{word:8}{self.about}: {self.text}"


def judge(
    rows: Sequence[Row], *, every_kernel: bool = True, has_popcount: bool | None = None
) -> list[Verdict]:
    """The bars against the chosen rows."""
    chosen = [row for row in rows if row.chosen]
    popcount = _has_popcount() if has_popcount is None else has_popcount
    return [_judge(bar, chosen, every_kernel, popcount) for bar in BARS]


def _judge(bar: Bar, rows: Sequence[Row], every_kernel: bool, popcount: bool) -> Verdict:
    judged = [(row, ok) for row in rows if (ok := bar.passed(row)) is not None]
    numbers = _numbers(bar, [row for row, _ in judged])
    if not every_kernel:
        return Verdict(bar.about, None, "not judged: only some of the kernels were asked for")
    if bar.needs_popcount and not popcount:
        here = f"; here: {numbers}" if numbers else ""
        return Verdict(bar.about, None, f"not measured here, the CPU lacks VPOPCNTDQ{here}")
    if any(row.threads != 1 or row.batch != 1 for row in rows):
        return Verdict(bar.about, None, "not judged: it is stated for one thread and one image")
    if not judged:
        return Verdict(bar.about, None, "not measured in this run")
    missed, held = (_numbers(bar, [r for r, ok in judged if ok is met]) for met in (False, True))
    return verdict(bar.about, missed=missed, held=held)


def verdict(about: str, *, missed: str, held: str) -> Verdict:
    """Met where nothing missed it."""
    if not missed:
        return Verdict(about, True, held)
    return Verdict(about, False, missed + (f"; met: {held}" if held else ""))


def _numbers(bar: Bar, rows: Sequence[Row]) -> str:
    return ", ".join(_number(bar, row) for row in rows)


def _number(bar: Bar, row: Row) -> str:
    number = bar.number(row)
    assert number is not None  # or there would be no verdict
    name = row.layer if (row.kernel_size, row.stride) == (3, 1) else row.place
    return f"{name} {bar.show(number)}"


def _has_popcount() -> bool:
    return any(isa.name == "avx512" for isa in isas.available())


def _plain(row: Row) -> bool:
    return row.kernel_size == 3 and row.stride == 1


def _from(channels: int, share: float) -> Callable[[Row], float | None]:
    return lambda row: share if _plain(row) and row.channels >= channels else None


def _named(wanted: dict[str, float]) -> Callable[[Row], float | None]:
    return lambda row: wanted.get(row.layer) if _plain(row) else None


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}x"


def _share(row: Row) -> float:
    return row.limit_share


BARS = (
    Bar("3x3, 64 channels and more: 95% of the limit", True, _share, _from(64, 0.95), _percent),
    Bar("3x3, 256 channels and more: 110% of it", True, _share, _from(256, 1.10), _percent),
    Bar(
        "12x torch float32, 22x at 512@7, 28x at 512@4",
        False,
        lambda row: row.vs_float32,
        _named(TIMES_FLOAT32),
        _times,
    ),
    Bar("60% of the limit at 16@32, 75% at 32@16", False, _share, _named(LIMIT_SMALL), _percent),
    Bar("faster than torch int8", False, lambda row: row.vs_int8, lambda row: 1.0, _times),
    Bar(
        "fused epilogue at most 15% over bits alone",
        False,
        lambda row: row.fused_over_bits,
        lambda row: FUSED if _plain(row) else None,
        _percent,
        at_most=True,
    ),
)
