"""One architecture trained by itself, for comparison: on the images its supernet learnt from, and
scored on those that the search chose by. The test split stays closed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.picks.product import RESULT
from nas.processes.abreast import Tell
from nas.runs.homes import Losses
from search_spaces.text import parse
from trainers.asked import Asked
from trainers.job import fresh, put, train_one
from trainers.learning.score import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Standalone:
    """Leaves result.json in its folder, and nothing else."""

    home: Path
    arch: str
    training: Asked

    @property
    def noted(self) -> dict[str, Any]:
        """What makes it this training and no other."""
        asked = self.training
        return {
            "arch": self.arch,
            "recipe": asked.recipe,
            "epochs": asked.epochs,
            "seed": asked.seed,
            "split": asked.split,
            "held-out": asked.held_out,
            "precision": asked.precision,
        }

    def __call__(self, tell: Tell) -> None:
        job, arch = self.training.job(), parse(self.arch)
        net = fresh(arch, job)
        losses, steps = Losses(self.home), train_one(arch, net, job)
        for at in steps:
            losses(at)
            if tell(at):
                steps.close()  # writes a checkpoint
                return
        found = score(net, job.task, job.data.selection, device=job.device)
        put(self.home / RESULT, {
            "arch": self.arch, "key": arch.key, "seed": job.seed, "recipe": job.recipe.name,
            "accuracy": found.share, "count": found.count, "loss": found.loss,
            "seconds": losses.seconds,
        })  # fmt: skip
        losses.drop()
        (self.home / "checkpoint.pt").unlink(missing_ok=True)
