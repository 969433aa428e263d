"""The phase that plans: how large it is, and how long it will take, from a few tries."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import TypeVar

from kernels import baselines, choice, profile
from kernels.ops import BinaryConv, BinaryLinear, Op
from kernels.profile import Asked
from nas.console.screen import bytes_spoken, spoken
from nas.phases.learning import home_of, sampling
from nas.phases.profiling import ops_of
from nas.phases.work import Work
from trainers.candidates import Arrays, Candidates
from trainers.job import new_supernet, train_supernet

K = TypeVar("K")

TRIED_OPS = 8
TRIED_STEPS = 3
TRIED_CANDIDATES = 3
ENOUGH = 20.0  # seconds of trying candidates: where one takes longer, it alone tells
STARTING = 10.0  # seconds until the processes that score have begun
WHOLE = 0.3  # seconds to pack a program of the front and to time it, as measured on digits
FRONT = 25  # architectures that are measured, about
FEWEST = 200  # images to choose by, and steps of training: below, an order is chance
JOURNAL = 600  # bytes for an axis of a candidate
PAGE = 5_000_000  # bytes of the report's; it is written beside the one before


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of each phase, and bytes on the disk."""

    profile: float
    supernet: float
    explore: float
    measure: float
    disk: float
    lines: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.profile + self.supernet + self.explore + self.measure


def planning(work: Work) -> Estimate:
    """Tries a few ops, steps and candidates, on weights that nobody keeps."""
    asked, lines = work.asked, list[str]()
    ops = ops_of(work)
    profiled = learnt = 0.0
    if asked.profile is None:
        profiled = _profile_seconds(ops, asked.threads)
        one = spoken(profiled / len(ops))
        lines.append(f"profile   {len(ops)} ops, {one} each: {spoken(profiled)}")
    work.check()
    net, drawn = new_supernet(work.space, work.job, sampling(work))
    weights = {name: t.detach().cpu().numpy() for name, t in net.state_dict().items()}
    size = sum(array.nbytes for array in weights.values())
    if asked.supernet is None and not (home_of(work) / "model.safetensors").exists():
        steps = [
            at.seconds
            for at in islice(train_supernet(net, drawn, replace(work.job, home=None)), TRIED_STEPS)
        ]
        each, count = min(steps), work.job.recipe.steps(len(work.job.data.train))
        learnt = each * count / asked.training_workers
        lines.append(f"supernet  {count:,} steps, {spoken(each)} each: {spoken(learnt)}")
    work.check()
    each = _candidate_seconds(work, weights)
    explored = STARTING + each * asked.trials / asked.at_once
    lines.append(
        f"explore   {asked.trials:,} candidates, {spoken(each)} each, {asked.at_once} at a time: "
        f"{spoken(explored)}"
    )
    measured = WHOLE * (FRONT + len(work.known)) + each * FRONT
    lines.append(f"measure   about {FRONT} + {len(work.known)} programs: {spoken(measured)}")
    disk = 5 * size + JOURNAL * asked.trials * len(work.space.axes) + 2 * PAGE
    return Estimate(profiled, learnt, explored, measured, disk, tuple(lines))


def _profile_seconds(ops: Sequence[Op], threads: int) -> float:
    """Kernels are chosen once, those that are not known yet; ops are measured in each pass. Waiting
    for others to leave the core does not count: it has an end."""
    binary = [op for op in ops if isinstance(op, BinaryConv | BinaryLinear)]
    new = [op for op in binary if not choice.known(op, threads)]
    tried, patience, begun = _few(ops), choice.patience.left, time.monotonic()
    for op in (chosen := _few(new)):
        choice.chosen(op, threads)
    took = time.monotonic() - begun - (patience - choice.patience.left)
    choosing = took / max(1, len(chosen)) * len(new)
    for one in tried:
        if isinstance(one, BinaryConv | BinaryLinear):
            choice.chosen(one, threads)
    begun = time.monotonic()
    next(profile.measure(tried, Asked(threads=threads), waiting=False))
    measuring = (time.monotonic() - begun) / len(tried)
    return choosing + profile.PASSES * measuring * len(ops)


def _few(ops: Sequence[K]) -> Sequence[K]:
    return ops[:: max(1, len(ops) // TRIED_OPS)][:TRIED_OPS]


def _candidate_seconds(work: Work, weights: Arrays) -> float:
    candidates = Candidates(work.space, work.job, weights, work.asked.tune_steps)
    rng, took = Random(0), []
    for _ in range(TRIED_CANDIDATES):
        begun = time.monotonic()
        with baselines.threads(1):  # as many as a process that scores has
            candidates.score(work.space.decode(work.space.sample(rng)))
        took.append(time.monotonic() - begun)
        if sum(took) >= ENOUGH:
            break
    return sorted(took)[len(took) // 2]


def described(work: Work, estimate: Estimate) -> Iterator[str]:
    about = work.run.about["space"]
    how = "" if about["exact"] else "at most "
    yield (
        f"space     {about['name']} on {about['backbone']}: {how}{about['architectures']:,} "
        f"architectures, {len(about['axes'])} axes"
    )
    data = work.run.about["data"]
    yield (
        f"data      {data['name']}: {data['train']:,} images to learn from, "
        f"{data['selection']:,} to choose by"
    )
    yield from estimate.lines
    steps = work.job.recipe.steps(len(work.job.data.train))
    few = [f"{data['selection']:,} images to choose by"] if data["selection"] < FEWEST else []
    if work.asked.supernet is None and steps < FEWEST:
        few.append(f"{steps:,} steps of training")
    if few:
        yield (
            f"few       only {' and '.join(few)}: which candidate comes first is then partly "
            "chance; --held-out, --epochs and --recipe give more"
        )
    yield f"together  about {spoken(estimate.seconds)}, {bytes_spoken(estimate.disk)} on the disk"
