"""One pick trained on all there is to learn from, until its folder is complete.

A value: it travels to the process that trains. Killed and begun again it goes on from its
checkpoint, and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.abreast import Tell
from nas.homes import Losses
from nas.product import made
from nas.training import Together, shareable, together, told
from search_spaces.text import parse
from trainers.asked import Asked
from trainers.job import Job, teacher_of, train_one
from trainers.network import Network
from trainers.starting import Start, begun
from trainers.train import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """`accuracy` is what the search gave it. `program_threads`: None, where no time is taken."""

    home: Path
    arch: str
    training: Asked
    start: Start | None = None
    teacher: Path | None = None
    known: str | None = None
    accuracy: float | None = None
    predicted_ms: float | None = None
    program_threads: int | None = 1

    @property
    def began(self) -> str:
        return "scratch" if self.start is None else "supernet"

    def __call__(self, tell: Tell) -> None:
        net, job, steps = self.steps()
        losses = Losses(self.home)
        for at in steps:
            losses(at)
            if tell(at):
                steps.close()  # writes a checkpoint
                return
        made(self, net, job, losses)

    def steps(self) -> tuple[Network, Job, Generator[Progress]]:
        job, arch = self.training.job(), parse(self.arch)
        teacher = None if self.teacher is None else teacher_of(self.teacher, job)
        net = begun(arch, job, self.start)
        return net, job, train_one(arch, net, job, teacher)


def trained_together(one: Retraining, batch: int, how: Together) -> None:
    """By several processes; what is left then is to pack it, for which `one` is called."""
    shareable(batch, how.workers)
    shared = replace(one, training=replace(one.training, threads=1))
    together(_learns, {"retraining": shared}, how)


def _learns(config: dict[str, Any]) -> None:
    one: Retraining = config["retraining"]
    _, _, steps = one.steps()
    told(steps, config["board"], Losses(one.home))
