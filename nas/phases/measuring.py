"""The phase that measures: whole packed programs of the front, with nothing else running.

Each is extracted from the supernet, which has to compute the same, packed, and held against torch
on the selection split. Known architectures that the supernet has no weights for are timed only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kernels import baselines, case, choice, gate, timing
from kernels.ops import Affine, BinaryConv, BinaryLinear, Epilogue, Linear, Op, Pack, RealConv
from kernels.profile import Asked
from kernels.program_time import short
from kernels.timing import Runs, Timing, doubts
from nas.phases.checking import Checked, checked, forget
from nas.phases.profiling import latency_of, measured_here
from nas.phases.work import Work
from nas.study.objectives import column
from nas.study.trial import Trial
from nas.times.latency import Latency
from nas.times.whole import by_node, columns, engine_of, timed, turns
from search_spaces.cost import cost
from search_spaces.text import to_text

ROUNDS = 7  # in which binary ops and torch's take turns


def measuring(work: Work, front: list[Trial], by_name: Mapping[str, Trial]) -> str:
    """Leaves front.csv, known.csv, ops.csv and kernels.csv. `by_name`: known ones with a score."""
    latency, here = latency_of(work), measured_here(work)
    every = checked(work, [*front, *by_name.values()])
    for name, planned in work.known.items():
        if name not in by_name:
            every[name] = Checked(planned, engine_of(planned, Asked(threads=work.asked.threads)))
    times: dict[str, Timing] = {}
    if here:
        with work.screen.bar("measure") as bar:
            engines = {key: one.engine for key, one in every.items()}
            for done, times in enumerate(timed(engines), 1):  # noqa: B007
                bar.at(done, turns(len(engines)), f"{len(engines)} whole programs")
                work.check()
    work.run.put_rows("front.csv", rows(work, front, every, times))
    work.run.put_rows("known.csv", _known_rows(work, by_name, every, times, latency))
    work.run.put_rows("ops.csv", [*_op_rows(every, latency, here)])
    shown = [every[t.asked.key] for t in front]
    work.run.put_rows("kernels.csv", [*_kernel_rows(work, shown)] if here else [])
    forget(work.run)
    return _said(front, every, times, here)


def rows(
    work: Work,
    trials: list[Trial],
    checked: Mapping[str, Checked] | None = None,
    times: Mapping[str, Timing] | None = None,
) -> list[dict[str, Any]]:
    """A row for each architecture of the front; without what was not measured."""
    found = [_row(trial, (checked or {}).get(trial.asked.key), (times or {}).get(trial.asked.key))
             for trial in trials]  # fmt: skip
    if times:
        from moocore import is_nondominated

        wanted = [column(name) for name in work.asked.objectives]
        points = [
            [row["measured_ms"] if name == "latency_ms" else row[name] for name in wanted]
            for row in found
        ]
        best = is_nondominated(np.array(points), keep_weakly=True) if points else []
        found = [{**row, "on_measured": bool(good)} for row, good in zip(found, best, strict=True)]
    return found


def _row(trial: Trial, checked: Checked | None, took: Timing | None) -> dict[str, Any]:
    asked, values = trial.asked, trial.scored.values
    return {
        "number": asked.number,
        "key": asked.key,
        "arch": asked.arch,
        "known": asked.known,
        **values,
        **columns(took),
        "on_measured": None,
        **_agreed(checked),
    }


def _agreed(checked: Checked | None) -> dict[str, Any]:
    agreement = None if checked is None else checked.agreement
    if checked is None or agreement is None:
        return dict.fromkeys(("same_path", "images", "decisions", "signs", "flips"))
    return {
        "same_path": checked.same_path,
        "images": agreement.images,
        "decisions": agreement.decisions,
        "signs": agreement.signs,
        "flips": agreement.flips,
    }


def _known_rows(
    work: Work,
    by_name: Mapping[str, Trial],
    checked: Mapping[str, Checked],
    times: Mapping[str, Timing],
    latency: Latency,
) -> list[dict[str, Any]]:
    found = []
    for name, arch in work.known_archs.items():
        trial = by_name.get(name)
        key = name if trial is None else trial.asked.key
        one, took = checked[key], times.get(key)
        if trial is not None:
            found.append({"name": name, **_row(trial, one, took)})
            continue
        counted = cost(one.plan)
        predicted = latency.predict_ns(one.plan) / 1e6 if not latency.missing(one.plan) else None
        found.append({
            "name": name, "number": None, "key": arch.key, "arch": to_text(arch), "known": name,
            "error": None, "latency_ms": predicted,
            "size_bytes": counted.weight_bytes,
            "memory_bytes": counted.peak_bytes, "ops": counted.ops,
            **columns(took), "on_measured": None, **_agreed(None),
        })  # fmt: skip
    return found


def _op_rows(
    checked: Mapping[str, Checked], latency: Latency, here: bool
) -> Iterator[dict[str, Any]]:
    """Each op of each program: predicted, and as it took part in the whole."""
    clocked = by_node({name: one.engine for name, one in checked.items()}) if here else {}
    for name, one in checked.items():
        took = clocked.get(name)
        for n, op in enumerate(one.plan.ops):
            known = op in latency.profile.entries
            yield {
                "key": name,
                "n": n,
                "op": short(op),
                "kind": kind(op),
                "predicted_us": latency.profile.time_ns(op) / 1e3 if known else None,
                "measured_us": None if took is None else float(took[n]) / 1e3,
            }


def kind(op: Op) -> str:
    match op:
        case BinaryConv() | BinaryLinear():
            return "binary"
        case RealConv() | Linear():
            return "real"
        case Pack() | Affine():
            return "packing"
        case _:
            return "glue"


def _kernel_rows(work: Work, shown: list[Checked]) -> Iterator[dict[str, Any]]:
    """Each binary convolution of the front beside torch's of the same shape, in turn with it."""
    ops = dict.fromkeys(op for one in shown for op in one.plan.ops if isinstance(op, BinaryConv))
    by_shape: dict[BinaryConv, list[BinaryConv]] = {}
    for op in ops:
        by_shape.setdefault(replace(op, after=Epilogue()), []).append(op)
    done, threads = 0, work.asked.threads
    with work.screen.bar("measure") as bar, baselines.threads(threads):
        for shape, group in by_shape.items():
            with gate.alone():
                yield from _beside_torch(shape, group, threads)
            done += len(group)
            bar.at(done, len(ops), f"{done} of {len(ops)} binary ops beside torch")
            work.check()


def _beside_torch(
    shape: BinaryConv, ops: list[BinaryConv], threads: int
) -> Iterator[dict[str, Any]]:
    """Beside what torch offers here, at its best setting."""
    offered = (baselines.best_float32(shape, 1), baselines.best_int8(shape))
    kernels = {op: choice.chosen(op, threads) for op in ops}
    runs: dict[BinaryConv | str, Runs] = {
        op: case.case(op, kernel, threads=threads).runs for op, kernel in kernels.items()
    }
    runs |= {one.dtype: one.runs for one in offered if one.runs is not None}
    least = timing.least_cpu(threads)
    took = timing.measure(runs, ROUNDS, tries=1, least_cpu=least)
    theirs = {f"{name}_us": took[name].median_ns / 1e3 for name in took if isinstance(name, str)}
    for op, kernel in kernels.items():
        yield {
            "op": short(op),
            "kernel": str(kernel),
            "median_us": took[op].median_ns / 1e3,
            "spread_us": took[op].spread_ns / 1e3,
            "float32_us": theirs.get("float32_us"),
            "int8_us": theirs.get("int8_us"),
        }


def _said(
    front: list[Trial], checked: Mapping[str, Checked], times: Mapping[str, Timing], here: bool
) -> str:
    mine = [checked[t.asked.key] for t in front]
    same = sum(bool(one.same_path) for one in mine)
    decisions = sum(one.agreement.decisions for one in mine if one.agreement)
    images = sum(one.agreement.images for one in mine if one.agreement)
    if same < len(mine):
        raise ValueError(
            f"{len(mine) - same} of {len(mine)} extracted networks do not compute what the "
            "supernet computes: their scores mean nothing. This is a defect of ours"
        )
    timed = "not timed: the profile is of another machine"
    if here:
        timed = ", ".join(filter(None, (f"{len(times)} whole programs", doubts(times.values()))))
    return (
        f"{timed}; extracted = supernet path for {same} of {len(mine)}; "
        f"packed decides otherwise than torch on {decisions} of {images:,} images"
    )
