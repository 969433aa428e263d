"""Where a training stands: weights, optimizer, average, step. All that a checkpoint holds."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from trainers.learning import checkpoint, ranks
from trainers.learning.ema import Average
from trainers.learning.optimizers import optimizer_of
from trainers.learning.recipe import Moment, Recipe, Stage, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What a training is known by, and where it is kept.

    of     what it is of, besides recipe and seed: the digest of the images, the architecture's key.
           A checkpoint of anything else is refused
    file   the checkpoint, written every so many seconds, at the end of each stage and on close;
           with None nothing is kept
    """

    seed: int
    of: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    every_seconds: float = 20.0


class Diverged(ValueError):
    """The loss, or the length of all gradients together, is no finite number any more."""


class State:
    """As the checkpoint has it, where there is one; otherwise at the beginning."""

    def __init__(self, module: nn.Module, recipe: Recipe, keep: Keep, images: int) -> None:
        self.module, self.recipe, self.keep = module, recipe, keep
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.steps = recipe.steps(images)
        self.step = self._saved_step = 0
        self.spent = 0.0  # seconds, in all calls
        self._saved_at = time.monotonic()
        self._of = {
            **keep.of,
            "seed": str(keep.seed),
            "images": str(images),
            "recipe": f"{recipe.name} ({_hash(to_json(recipe).encode())})",
        }
        self.enter(recipe.stages[0])
        with ranks.fail_together("go on from its checkpoint"):
            if keep.file is not None and keep.file.exists():
                self._go_on(keep.file, images)
        ranks.agree("training, step and weights", self._text())
        if self.step == self.steps:
            self._finish()

    def enter(self, stage: Stage) -> None:
        """Weights stay; what was learnt about how to move them was of another stage."""
        self.optimizer = optimizer_of(self.module, stage, self.recipe.momentum)
        self.average: Average | None = None
        if self.recipe.average:
            self.average = Average(self.module, self.recipe.average)
        self.optimizer.zero_grad()

    def move(self, moment: Moment, loss: float) -> float:
        """Take the step that the gradients say. Returns the loss over all ranks."""
        loss = ranks.mean_gradients(self.parameters, loss)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        length = nn.utils.get_total_norm(gradients)
        for what, number in (("loss", loss), ("length of the gradients", float(length))):
            if not math.isfinite(number):
                raise Diverged(
                    f"the {what} is {number} at step {self.step + 1} of {self.steps}, in stage "
                    f"{moment.stage.name!r}; the rate was {moment.rate:.3g}"
                )
        if self.recipe.clip:
            nn.utils.clip_grads_with_norm_(self.parameters, self.recipe.clip, length)
        for group in self.optimizer.param_groups:
            group["lr"] = moment.rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.module, moment.step)
        self.step += 1
        due = time.monotonic() - self._saved_at >= self.keep.every_seconds
        if due or moment.step + 1 == moment.steps:
            self.save()
        if self.step == self.steps:
            self._finish()
        return loss

    def save(self) -> None:
        """Unless there is nothing new: what is saved last is from before the average is taken."""
        if self.keep.file is None or self.step == self._saved_step:
            return
        if ranks.rank() == 0:
            state = {
                "of": self._of,
                "step": self.step,
                "spent": self.spent,
                "module": self.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": None if self.average is None else self.average.tensors,
            }
            checkpoint.save(self.keep.file, state)
        self._saved_step, self._saved_at = self.step, time.monotonic()

    def _go_on(self, file: Path, images: int) -> None:
        saved = checkpoint.load(file)
        checkpoint.refuse_others(file, saved["of"], self._of)
        checkpoint.put(file, saved["module"], self.module)
        self.step = self._saved_step = saved["step"]
        self.spent = saved["spent"]
        self.enter(self.recipe.at(self.step - 1, images).stage)  # what was saved is this stage's
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.average is not None:
            self.average.load(saved["average"])

    def _finish(self) -> None:
        if self.average is not None:
            self.module.load_state_dict(self.average.tensors)

    def _text(self) -> bytes:
        """What all ranks must begin with."""
        if ranks.world() == 1:
            return b""
        tensors = (t.detach().cpu().contiguous() for t in self.module.state_dict().values())
        weights = "".join(_hash(t.numpy().tobytes()) for t in tensors)
        return f"{sorted(self._of.items())} {self.step} {weights}".encode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
