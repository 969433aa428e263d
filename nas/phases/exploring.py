"""The phase that explores: candidates in batches, scored side by side, told in order."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from nas.console.screen import Bar, spoken
from nas.phases.correcting import KEPT, correction_of
from nas.phases.learning import home_of
from nas.phases.profiling import latency_of
from nas.phases.standing import stands
from nas.phases.work import Work, axes_of, training
from nas.runs.run import Run
from nas.study.objectives import column
from nas.study.records import Records, read
from nas.study.scoring import Scoring
from nas.study.study import Plan, Study
from nas.study.trial import Trial, front
from search_spaces.space import Genome
from search_spaces.uniform import known_genomes
from trainers.candidates import arrays

WARM = "warm.json"  # the front of the run that --warm-start names
TABLE_EVERY = 15.0  # seconds between two writings of trials.csv


def exploring(work: Work) -> str:
    """Leaves study.journal, scores.jsonl and trials.csv."""
    from nas.processes.cluster import ray_cluster
    from nas.study.actors import Means, explore

    asked, rate = work.asked, 0.0
    study, records = opened(work)
    if study.candidates < asked.trials:
        correction = correction_of(work)
        if correction is not None:
            work.run.put(KEPT, asdict(correction))
        scoring = Scoring(
            training=replace(training(asked, work.seed), threads=1),
            space=asked.space,
            backbone=work.backbone,
            latency=latency_of(work),
            objectives=asked.objectives,
            tune_steps=asked.tune_steps,
            correction=correction,
        )
        gpus = 1 / asked.scoring if asked.device.startswith("cuda") else 0.0
        with (
            work.screen.bar("explore") as bar,
            ray_cluster(asked.scoring, asked.address, asked.verbose) as scratch,
        ):
            bar.at(study.candidates, asked.trials, "starting")
            told = _Told(work, records, bar)
            try:
                enough = explore(
                    study,
                    records,
                    asked.trials,
                    scoring,
                    arrays(home_of(work)),
                    Means(workers=asked.scoring, scratch=scratch, gpus=gpus),
                    told,
                    work.stopped,
                )
            finally:
                _keep_logs(scratch)
            rate = told.rate
        if not enough:
            tabled(work, records)
            work.check()
    tabled(work, records)
    return _said(work, study, records, rate)


def opened(work: Work) -> tuple[Study, Records]:
    study = Study(plan_of(work), work.run.home / "study.journal")
    records = records_of(work)
    study.recall(records.trials)
    return study, records


def records_of(work: Work) -> Records:
    return Records(work.run.home / "scores.jsonl")


def plan_of(work: Work) -> Plan:
    asked, begin = work.asked, first(work)
    if asked.warm_start is not None and not work.run.has(WARM):
        work.run.put(WARM, [genome for genome, name in begin if not name])
    return Plan(
        space=work.space,
        objectives=asked.objectives,
        limits=asked.limits,
        sampler=asked.sampler,
        batch=work.run.about.get("batch", asked.told_together),
        seed=asked.seed,
        first=tuple(begin),
        most=max(asked.trials, work.run.about["asked"]["trials"]),
    )


def first(work: Work) -> list[tuple[Genome, str]]:
    """Known architectures of the space, then the front of an earlier run: as it was when this one
    began to explore, whatever becomes of that run since."""
    genomes = [(genome, name) for name, genome in known_genomes(work.space).items()]
    if work.run.has(WARM):
        return genomes + [(tuple(genome), "") for genome in work.run.get(WARM)]
    return genomes + [(genome, "") for genome in _earlier(work)]


def _earlier(work: Work) -> list[Genome]:
    if work.asked.warm_start is None:
        return []
    run = Run(work.asked.warm_start)
    theirs = run.about["space"]["axes"]
    if theirs != axes_of(work.space):
        raise ValueError(
            f"{run.home} searched {run.about['space']['name']} on "
            f"{run.about['space']['backbone']}, whose axes are not those of this space"
        )
    columns = [column(name) for name in run.asked.objectives]
    best = front(read(run.home / "scores.jsonl"), columns, run.asked.limits)
    return [trial.asked.genome for trial in best]


class _Told:
    """Shows where the search is, and writes the table once in a while."""

    def __init__(self, work: Work, records: Records, bar: Bar) -> None:
        self._work, self._records, self._bar = work, records, bar
        self._written, self._front = time.monotonic(), ""
        self._first: tuple[float, int] | None = None  # when, and how many were scored by then
        self.rate = 0.0  # candidates in a second, since the processes stand

    def __call__(self, study: Study, scored: int) -> None:
        done, now = study.candidates + scored, time.monotonic()
        wanted = max(self._work.asked.trials, done)  # it ends with fewer, but not within a batch
        if self._first is None:  # what Ray took to start says nothing of what is left
            self._first = (now, done)
            self._bar.begins(done, wanted)
        elif now > self._first[0]:
            self.rate = (done - self._first[1]) / (now - self._first[0])
        if scored == 0:
            best = front_of(self._work, self._records)
            self._front = f", {len(best)} on the front"
        self._bar.at(done, wanted, f"{done:,} of {wanted:,} scored{self._front}")
        if scored == 0 and now - self._written > TABLE_EVERY:
            self._written = now
            tabled(self._work, self._records)


def tabled(work: Work, records: Records) -> None:
    """trials.csv, and front.csv as far as it is predicted, where what was measured is another."""
    from nas.phases.measuring import rows

    limits, spent = work.asked.limits, 0.0
    at_once = min(work.asked.scoring, work.run.about.get("batch", work.asked.told_together))
    table: list[dict[str, Any]] = []
    for trial in records.trials:
        asked, scored = trial.asked, trial.scored
        spent += scored.seconds / at_once
        chosen = {
            f"axis.{axis.name}": axis.plain[choice]
            for axis, choice in zip(work.space.axes, asked.genome, strict=True)
        }
        table.append({
            "number": asked.number, "key": asked.key, "arch": asked.arch, "known": asked.known,
            "status": trial.status(limits), "note": scored.note, **scored.values,
            "loss": scored.loss, "seconds": scored.seconds, "at_seconds": round(spent, 3),
            "batch": asked.batch, **chosen,
        })  # fmt: skip
    work.run.put_rows("trials.csv", table)
    best = front_of(work, records)
    if not stands(work.run, best, known_of(work, records)):
        if work.run.phase("measure")["done"]:
            work.run.note_phase("measure", 0.0, done=False)
        work.run.put_rows("front.csv", rows(work, best))


def front_of(work: Work, records: Records) -> list[Trial]:
    columns = [column(name) for name in work.asked.objectives]
    return front(records.trials, columns, work.asked.limits)


def known_of(work: Work, records: Records) -> dict[str, Trial]:
    """Known architectures that were scored, by name."""
    by_key = {t.asked.key: t for t in records.trials if not t.scored.failed}
    return {name: by_key[arch.key] for name, arch in work.known_archs.items() if arch.key in by_key}


def _said(work: Work, study: Study, records: Records, rate: float) -> str:
    failed = sum(trial.scored.failed for trial in records.trials)
    fit = sum(trial.status(work.asked.limits) == "ok" for trial in records.trials)
    every = [f"{study.candidates:,} architectures"]
    if failed:
        every.append(f"{failed} failed")
    if work.asked.limits:
        every.append(f"{fit:,} within the limits")
    if study.candidates < work.asked.trials:
        every.append("the space has no more")
    seconds = [t.scored.seconds for t in records.trials if not t.scored.failed]
    if seconds:
        every.append(f"{spoken(float(np.median(seconds)))} each")
    if rate:
        every.append(f"{rate:.1f} a second")
    return f"{', '.join(every)}; {len(front_of(work, records))} on the front"


def _keep_logs(scratch: Path) -> None:
    """What the processes of Ray said on their way, into the run's log."""
    for file in sorted(scratch.glob("ray/session_latest/logs/worker-*.err")):
        text = file.read_text(errors="replace").strip()
        if text:
            logging.info("%s\n%s", file.name, text)
