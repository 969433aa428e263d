"""One pick trained on all there is to learn from, until its folder is complete.

A value: it travels to the process that trains. Killed and begun again it goes on from its
checkpoint, and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from kernels import files, model
from kernels.engine import Engine
from nas.picks.judging import decided, part_to_test
from nas.picks.product import PACKED, RESULT, measured, schedule
from nas.processes.abreast import Tell
from nas.processes.together import Together, shareable, together, told
from nas.runs.homes import Losses
from nas.times.whole import columns
from search_spaces.arch import to_json
from search_spaces.cost import cost
from search_spaces.text import parse, to_text
from trainers import decided as trained_network
from trainers.asked import Asked
from trainers.export import about, packed
from trainers.job import TRAINING, Job, kept, put, teacher_of, train_one, trained
from trainers.learning.train import Progress
from trainers.networks.network import Network
from trainers.starting import Start, begun

APART = 0.01  # of the decisions; where more differ, something is wrong with us


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


def made(of: Retraining, net: Network, job: Job, losses: Losses) -> None:
    """Leaves all files of a pick, result.json the last of them. Here the test split is opened.

    What was searched, retrained and packed are three accuracies; predicted and measured two times.
    """
    home, arch = of.home, parse(of.arch)
    test = part_to_test(job.data.name, of.training.data_dir, job.data.classes, str(home))
    labels = test.images.labels
    theirs = trained_network.decided(net.cpu(), job.task, test.images)
    right, count = int((theirs == labels).sum()), len(labels)
    seconds = losses.seconds
    files.replace(home / "arch.json", to_json(arch) + "\n")
    scores = {"test": {"correct": right, "count": count}, "seconds": seconds}
    kept(home, arch, net, job, scores, TRAINING)
    found = trained(home)  # what is packed is what lies there
    engine = Engine(packed(found.network, found.task), threads=of.program_threads or 1)
    ours = decided(engine, test.images)
    apart = int((ours != theirs).sum())
    if apart > APART * count:
        raise ValueError(
            f"{home / PACKED} is not written: it decides otherwise than its network on {apart} of "
            f"{count:,} images. This is a defect of ours"
        )
    model.save(engine.program, home / PACKED, about(found))
    losses.by_epoch(len(job.data.train) / job.recipe.batch)
    took = measured(engine) if of.program_threads else None
    planned = cost(found.network.plan)
    put(home / RESULT, {
        "arch": to_text(arch), "key": arch.key, "known": of.known, "data": job.data.name,
        "seed": job.seed, "start": of.began, "recipe": job.recipe.name,
        "schedule": schedule(job), "seconds": seconds,
        "search": None if of.accuracy is None else {"accuracy": of.accuracy},
        "retrained": {"accuracy": right / count, "count": count},
        "packed": {"accuracy": float(np.mean(ours == labels)), "count": count, "decisions": apart},
        "predicted_ms": of.predicted_ms, **columns(took), "doubt": took.doubt if took else "",
        "memory_bytes": planned.peak_bytes,
        "size_bytes": planned.weight_bytes,
        "file_bytes": (home / PACKED).stat().st_size,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    })  # fmt: skip
    losses.drop()
    (home / "checkpoint.pt").unlink(missing_ok=True)
