"""Searches of one budget on one supernet, held against random search by hypervolume."""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.progress import Progress
from nas.runs.run import Run
from nas.study.trial import Asked, Scored, Trial
from search_spaces.space import Space

POINTS = (50, 100, 200, 300, 500, 1000)  # evaluations at which searches are compared


def samplers(args: argparse.Namespace) -> Iterator[str]:
    from nas.study.study import Plan, Study
    from nas.study.trial import front

    run = Run(args.run)
    scores = _Scores(run, args.workers, Path(args.scores))
    histories: dict[str, list[list[Trial]]] = {name: [] for name in args.samplers}
    bar = Progress(len(args.samplers) * args.seeds * args.trials, "candidates")
    done = 0
    for seed in range(args.seeds):
        for name in args.samplers:
            with tempfile.TemporaryDirectory() as folder:
                plan = Plan(
                    space=scores.space,
                    objectives=("error", "latency"),
                    limits={},
                    sampler=name,
                    batch=20,
                    seed=seed,
                )
                study = Study(plan, Path(folder) / "study.journal")
                while study.candidates < args.trials and (asked := study.ask()):
                    study.tell(scores.of(asked))
                    bar.at(done + study.candidates)
                histories[name].append(study.trials)
                done += args.trials
    bar.end()
    every = {t.asked.key: t for many in histories.values() for of in many for t in of}
    columns = ("error", "latency_ms")
    best = front(every.values(), columns, {})
    yield (
        f"{len(every):,} architectures scored in all, {len(best)} of them on the front; "
        "hypervolume as a share of that front's, mean +- deviation over seeds"
    )
    volume = _volume([*every.values()])
    for name, many in histories.items():
        cells = []
        for point in (p for p in POINTS if p <= args.trials):
            shares = [volume(of[:point]) / volume(best) for of in many]
            cells.append(f"{point}: {np.mean(shares):.1%} +- {np.std(shares, ddof=1):.1%}")
        yield f"{name:8} {'  '.join(cells)}"


def _volume(every: Sequence[Trial]) -> Callable[[Sequence[Trial]], float]:
    """Of error and the logarithm of time, up to the worst that was seen of each."""
    from moocore import hypervolume

    def points(trials: Sequence[Trial]) -> NDArray[np.float64]:
        values = [t.scored.values for t in trials]
        return np.array([[v["error"], np.log(v["latency_ms"])] for v in values])

    worst = points(every).max(axis=0)
    return lambda trials: float(hypervolume(points(trials), ref=worst))


class _Scores:
    """Of candidates with one supernet, kept on disk: searches share them."""

    def __init__(self, run: Run, workers: int, path: Path) -> None:
        from nas.study.records import Records

        self._records = Records(path)
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, context, _prepare, (run,))
        self.space = _space_of(run)

    def of(self, asked: Sequence[Asked]) -> dict[str, Trial]:
        new = [one for one in asked if self._records.find(one.key) is None]
        for one, scored in zip(new, self._pool.map(_score, new), strict=True):
            self._records.add(one, scored)
        found = dict(self._records.by_key)
        for one in asked:
            found[one.key] = Trial(one, found[one.key].scored)
        return found


def _space_of(run: Run) -> Space:
    from nas.phases.learning import split_of
    from nas.phases.work import training
    from trainers.asked import space_for

    asked = run.asked
    job = training(asked, split_of(asked)).job()
    return space_for(asked.space, asked.backbone, job, asked.usual.backbone)


_scorer: Callable[[Asked], Scored] | None = None


def _prepare(run: Run) -> None:
    global _scorer
    from dataclasses import replace

    from nas.phases.learning import split_of, supernet_home
    from nas.phases.profiling import read_latency
    from nas.phases.work import training
    from nas.study.scoring import Scoring
    from trainers.candidates import arrays

    asked = run.asked
    weights = arrays(supernet_home(asked.supernet or run.home))
    _scorer = Scoring(
        training=replace(training(asked, split_of(asked)), threads=1),
        space=asked.space,
        backbone=str(run.about["space"]["backbone"]),
        latency=read_latency(run),
        objectives=("error", "latency"),
        tune_steps=asked.tune_steps,
    )(weights)


def _score(asked: Asked) -> Scored:
    assert _scorer is not None
    return _scorer(asked)
