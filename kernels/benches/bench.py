"""What a benchmark measures: every kernel, torch and the limit of the port, in the same rounds.

A share of the limit compares medians, taken in turn; `quiet_limit_share` compares quiet moments of
both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kernels import _core, baselines, choice, gate, isas, machine, sample, timing
from kernels.baselines import Baseline
from kernels.benches.check import check
from kernels.benches.layers import BITS, FUSED, Layer
from kernels.benches.rows import Bases, Outcome, Row, Torch
from kernels.isas import Choice, Isa
from kernels.ops import RAW, BinaryConv, Epilogue
from kernels.timing import Runs, Timing

SUMMED = Epilogue(signs=1, sum=True)
BASES = (1, 2, 3, 5)
WITH_BASES = ("3x3 64@56", "3x3 256@14")  # the layers that several bases are tried on
LIMIT_ROUNDS = 20_000  # of the limit loop: a tenth of a millisecond or less

Times = Mapping[tuple[str, str], Timing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for."""

    layers: tuple[Layer, ...]
    isa: str | None = None
    variant: str | None = None
    threads: int = 1
    batch: int = 1
    rounds: int = 20
    runs: int = 1
    torch: bool = True
    patience_s: float = 0.0  # for each layer: to wait for others to leave the core
    folder: Path | None = None

    def __post_init__(self) -> None:
        for layer in self.layers:
            try:
                self.candidates(layer.op(BITS))
            except ValueError as none:
                raise ValueError(f"layer {layer}: {none}") from none

    def candidates(self, op: BinaryConv) -> tuple[Choice, ...]:
        return choice.candidates(op, self.isa, self.variant)

    @property
    def every_kernel(self) -> bool:
        return self.isa is None and self.variant is None

    @property
    def uses_torch(self) -> bool:
        return self.torch and machine.here().torch is not None

    def time(self, things: Mapping[tuple[str, str], Runs]) -> Times:
        least = timing.least_cpu(self.threads)
        return timing.measure(things, self.rounds, least_cpu=least, patience_s=self.patience_s)


def bench(plan: Plan) -> Iterator[Outcome]:
    """One outcome for each layer of each run, as soon as it is there. See `rows.merged`.

    A layer is measured while nothing of ours trains or scores on this machine.
    """
    checked: dict[Layer, str] = {}
    with baselines.threads(plan.threads) if plan.uses_torch else contextlib.nullcontext():
        for run in range(plan.runs):
            for layer in plan.layers:
                if layer not in checked:
                    checked[layer] = _checked(plan, layer)
                with gate.alone():
                    outcome = _measured(plan, layer, checked[layer], run)
                yield outcome


def limit_isa() -> str:
    """Whose limit is *the* limit: the best set that counts bits. AMX multiplies bytes instead."""
    return next(isa.name for isa in isas.available() if isa.name != "amx")


def _checked(plan: Plan, layer: Layer) -> str:
    among = plan.candidates(layer.op(BITS))
    if str(layer) in WITH_BASES:
        op = layer.op(bases=2)
        check(op, 1, among, (SUMMED,), threads=plan.threads)
    return check(layer.op(), plan.batch, among, (RAW, BITS, FUSED), threads=plan.threads)


def _measured(plan: Plan, layer: Layer, checked: str, run: int) -> Outcome:
    rng = np.random.default_rng(run)
    op = layer.op(BITS)
    case = sample.case(op, plan.batch, rng)
    among = {str(c): c for c in plan.candidates(op)}
    torch = baselines.best(op, plan.batch) if plan.uses_torch else []
    loops = {isa.name: _limit(isa.name) for isa in isas.available()}

    def of(isa: Isa) -> dict[tuple[str, str], Runs]:
        mine = {name: c for name, c in among.items() if c.isa == isa.name}
        return {("limit", isa.name): loops[isa.name][0]} | {
            ("kernel", name): case.runs(c, plan.threads) for name, c in mine.items()
        }

    # AMX slows the clock for a while. So it comes last, before the plainest of the next round; and
    # torch, which has it too, stands between those and the better ones.
    plainest, *others = reversed(isas.available())
    things = of(plainest) | {("torch", t.dtype): t.runs for t in torch if t.runs is not None}
    for isa in others:
        things |= of(isa)
    times = plan.time(things)
    taken = Taken(plan, layer, times, {name: macs for name, (_, macs) in loops.items()})
    mine = {c: times["kernel", name] for name, c in among.items()}
    best = choice.remember(op, plan.batch, plan.threads, mine, plan.folder)
    fused = _fused(plan, case.ending(FUSED, rng), case, best)
    rows = [taken.row(c, checked, c == best, fused if c == best else None) for c in among.values()]
    bases = _bases(plan, layer, best, rng) if str(layer) in WITH_BASES else []
    return Outcome(run, layer, rows, [_torch(layer, t, times) for t in torch], bases, taken.limits)


class Fused(NamedTuple):
    """The time of the whole epilogue, and that of bits alone."""

    whole: Timing
    bits: Timing

    @property
    def over_bits(self) -> float:
        """How much longer the whole takes; 0.1 is a tenth."""
        return self.whole.median_ns / self.bits.median_ns - 1


@dataclass(frozen=True, slots=True)
class Taken:
    """The times of one layer in one run; `macs` are of one run of each limit loop."""

    plan: Plan
    layer: Layer
    times: Times
    macs: Mapping[str, float]

    @property
    def limits(self) -> dict[str, float]:
        return {name: self._limit(name, self.times["limit", name].median_ns) for name in self.macs}

    def _limit(self, isa: str, ns: float) -> float:
        return self.plan.threads * self.macs[isa] / ns

    def row(self, kernel: Choice, checked: str, chosen: bool, fused: Fused | None) -> Row:
        time, limits, best = self.times["kernel", str(kernel)], self.limits, limit_isa()
        macs = self.layer.op().macs * self.plan.batch
        gmacs, quiet = macs / time.median_ns, macs / time.low_ns
        torch = [other for (kind, _), other in self.times.items() if kind == "torch"]

        def ratio(dtype: str) -> float | None:
            other = self.times.get(("torch", dtype))
            return None if other is None else other.median_ns / time.median_ns

        return Row(
            layer=self.layer.name,
            kernel_size=self.layer.kernel,
            stride=self.layer.stride,
            channels=self.layer.channels,
            filters=self.layer.filters,
            size=self.layer.size,
            batch=self.plan.batch,
            threads=self.plan.threads,
            isa=kernel.isa,
            variant=kernel.variant,
            chosen=chosen,
            median_us=time.median_ns / 1e3,
            spread_us=time.spread_ns / 1e3,
            low_us=time.low_ns / 1e3,
            rounds=time.rounds,
            disturbed=time.disturbed,
            crowded=time.crowded,
            gmacs=gmacs,
            limit_share=gmacs / limits[best],
            quiet_limit_share=quiet / self._limit(best, self.times["limit", best].low_ns),
            own_limit_share=gmacs / limits[kernel.isa],
            vs_float32=ratio("float32"),
            vs_bfloat16=ratio("bfloat16"),
            vs_int8=ratio("int8"),
            torch_disturbed=max((other.disturbed for other in torch), default=None),
            torch_crowded=max((other.crowded for other in torch), default=None),
            fused_over_bits=None if fused is None else fused.over_bits,
            fused_disturbed=None if fused is None else max(both.disturbed for both in fused),
            fused_crowded=None if fused is None else max(both.crowded for both in fused),
            checked=checked,
            runs=1,
        )


def _torch(layer: Layer, what: Baseline, times: Times) -> Torch:
    time = times.get(("torch", what.dtype))
    return Torch(
        layer=layer.name,
        kernel_size=layer.kernel,
        stride=layer.stride,
        dtype=what.dtype,
        setting=what.setting,
        reason=what.reason,
        median_us=None if time is None else time.median_ns / 1e3,
        spread_us=None if time is None else time.spread_ns / 1e3,
    )


def _fused(plan: Plan, fused: sample.Case, plain: sample.Case, best: Choice) -> Fused:
    both = {("kernel", "fused"): fused, ("kernel", "plain"): plain}
    times = plan.time({name: case.runs(best, plan.threads) for name, case in both.items()})
    return Fused(times["kernel", "fused"], times["kernel", "plain"])


def _bases(plan: Plan, layer: Layer, best: Choice, rng: np.random.Generator) -> list[Bases]:
    """K bases that share one input and are summed: their time over K times that of one."""
    things: dict[tuple[str, str], Runs] = {}
    for k in BASES:
        op = layer.op(SUMMED, bases=k)
        if not isas.misfit(op, best):
            case = sample.case(op, plan.batch, rng)
            things["bases", str(k)] = case.runs(best, plan.threads)
    times = {int(k): time for (_, k), time in plan.time(things).items()}
    return [
        Bases(
            layer=layer.name,
            kernel_size=layer.kernel,
            bases=k,
            isa=best.isa,
            variant=best.variant,
            median_us=time.median_ns / 1e3,
            spread_us=time.spread_ns / 1e3,
            over_single=time.median_ns / (k * times[1].median_ns),
        )
        for k, time in times.items()
    ]


def _limit(isa: str) -> tuple[Runs, float]:
    """The textbook step on registers alone, and how many products one run of it is."""
    call: Callable[[], object] = lambda: _core.limit(isa, LIMIT_ROUNDS)  # noqa: E731
    return timing.repeated(call), float(_core.limit(isa, LIMIT_ROUNDS))
