"""The one loop. It yields at each step; the caller prints, keeps, stops.

A training that was killed goes on from its checkpoint when it is called again with the same
arguments, and ends with the weights that an unbroken one ends with: whatever a step needs is in the
state that is saved, or follows from the seed and the number of the step.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.data.images import Images
from trainers.learning import batches, ranks
from trainers.learning.augment import Draws
from trainers.learning.objective import Objective
from trainers.learning.recipe import Recipe
from trainers.learning.state import Keep, State
from trainers.learning.task import Task


class Precision(enum.StrEnum):
    """Of convolutions and products. Weights, gradients and sums over ranks stay float32."""

    FLOAT32 = "float32"
    BF16 = "bf16"


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that is done, the first of them 1. Its loss is from before the weights moved.

    seconds  since the step before, with what the caller did meanwhile
    spent    seconds of all steps so far, those before an interruption too
    """

    step: int
    steps: int
    loss: float
    rate: float
    stage: str
    seconds: float
    spent: float


def train(
    objective: Objective,
    task: Task,
    images: Images,
    recipe: Recipe,
    keep: Keep,
    precision: Precision = Precision.FLOAT32,
) -> Iterator[Progress]:
    """Train `objective.module` in place, on the device it lies on.

    To stop early, close the iterator: it writes its checkpoint. After the last step, and only then,
    the module holds the averaged weights, if the recipe wants any. Of several ranks the first one
    writes, and all must stop at the same step.
    """
    state = State(objective.module, recipe, keep, len(images))
    device = state.device
    todo = range(state.step, state.steps)
    started = time.perf_counter()
    try:
        for step, batch in zip(
            todo, batches.ahead(_reader(images, recipe, keep.seed), todo), strict=True
        ):
            moment = recipe.at(step, len(images))
            if moment.step == 0:
                state.enter(moment.stage)
            draws = Draws(keep.seed, step, recipe.batch, ranks.rows(recipe.batch))
            with ranks.working():
                pixels, labels = (part.to(device) for part in batch)
                pixels, labels = task.augment(pixels, labels, recipe.augmentation, draws)
                with torch.autocast(device.type, torch.bfloat16, precision is Precision.BF16):
                    mode = moment.mode(recipe.statistics)
                    loss = objective.learn(task.prepare(pixels), labels, mode, step)
                loss = state.move(moment, loss)
            seconds, started = time.perf_counter() - started, time.perf_counter()
            state.spent += seconds
            yield Progress(
                step=state.step,
                steps=state.steps,
                loss=loss,
                rate=moment.rate,
                stage=moment.stage.name,
                seconds=seconds,
                spent=state.spent,
            )
    except GeneratorExit:
        state.save()
        raise


def _reader(images: Images, recipe: Recipe, seed: int) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Pixels and labels of this rank's rows of a step's batch."""
    labels, rows = images.labels, ranks.rows(recipe.batch)

    def read(step: int) -> tuple[Tensor, Tensor]:
        mine = batches.indices(seed, step, recipe.batch, len(images))[rows]
        return torch.from_numpy(images.take(mine)), torch.from_numpy(labels[mine])

    return read
