"""The rows of a benchmark, and how several runs become one."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kernels.benches.layers import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kernel on one layer. Ratios are of the same run; more is better, but for `fused`."""

    layer: str
    kernel_size: int
    stride: int
    channels: int
    filters: int
    size: int
    batch: int
    threads: int
    isa: str
    variant: str
    chosen: bool  # the fastest of those measured
    median_us: float
    spread_us: float
    low_us: float
    rounds: int
    disturbed: float  # the share of turns that others on this machine disturbed
    crowded: float  # the share of turns in which others shared the core
    gmacs: float  # 10^9 binary multiply-accumulates a second
    limit_share: float
    quiet_limit_share: float
    own_limit_share: float  # of the limit of its own instruction set
    vs_float32: float | None  # torch's time over ours
    vs_bfloat16: float | None
    vs_int8: float | None
    torch_disturbed: float | None  # as of our own, of the type where it is most
    torch_crowded: float | None
    fused_over_bits: float | None  # of the chosen kernel: 0.1 takes a tenth longer
    fused_disturbed: float | None
    fused_crowded: float | None
    checked: str  # on what the reference was asked
    runs: int

    @property
    def key(self) -> Hashable:
        return self.layer, self.kernel_size, self.stride, self.isa, self.variant

    @property
    def place(self) -> str:
        to = f" /{self.stride}" if self.stride > 1 else ""
        return f"{self.kernel_size}x{self.kernel_size}{to} {self.layer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Torch:
    """Torch at its best setting on one layer, or the reason why there is none."""

    layer: str
    kernel_size: int
    stride: int
    dtype: str
    setting: str
    reason: str
    median_us: float | None
    spread_us: float | None

    @property
    def key(self) -> Hashable:
        return self.layer, self.kernel_size, self.stride, self.dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """K bases of weights over one input, summed."""

    layer: str
    kernel_size: int
    bases: int
    isa: str
    variant: str
    median_us: float
    spread_us: float
    over_single: float  # the time over K times that of one base

    @property
    def key(self) -> Hashable:
        return self.layer, self.kernel_size, self.bases


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one layer gave in one run."""

    run: int
    layer: Layer
    rows: list[Row]
    torch: list[Torch]
    bases: list[Bases]
    limits: dict[str, float]  # of each instruction set, in GMAC/s


@dataclass(frozen=True, slots=True)
class Report:
    """All runs as one: each number is the median over the runs it was measured in."""

    rows: list[Row]
    torch: list[Torch]
    bases: list[Bases]
    limits: dict[str, float]


def merged(outcomes: Sequence[Outcome]) -> Report:
    """The report of what there is so far; a run that was broken off counts where it got to."""
    rows = _merge((row for o in outcomes for row in o.rows), lambda row: row.key)
    best = {
        place: min((row for row in rows if row.place == place), key=lambda row: row.median_us).key
        for place in {row.place for row in rows}
    }
    rows = [dataclasses.replace(row, chosen=row.key == best[row.place]) for row in rows]
    names = dict.fromkeys(name for o in outcomes for name in o.limits)
    return Report(
        rows,
        _merge((torch for o in outcomes for torch in o.torch), lambda torch: torch.key),
        _merge((bases for o in outcomes for bases in o.bases), lambda bases: bases.key),
        {name: statistics.median(o.limits[name] for o in outcomes) for name in names},
    )


T = TypeVar("T", Row, Torch, Bases)


def _merge(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[T]) -> T:
    """The last, with the median of each measured number."""
    numbers: dict[str, Any] = {}
    for field in dataclasses.fields(group[0]):
        if "float" in str(field.type):
            values = [v for item in group if (v := getattr(item, field.name)) is not None]
            numbers[field.name] = statistics.median(values) if values else None
    if isinstance(group[0], Row):
        numbers["runs"] = len(group)
        numbers["rounds"] = sum(row.rounds for row in group if isinstance(row, Row))
    return dataclasses.replace(group[-1], **numbers)
