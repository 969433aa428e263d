"""What a step makes smaller. A network by itself is one; a supernet is another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from trainers.learning.recipe import Recipe
from trainers.learning.task import Task
from trainers.networks.mode import ANSWER, Mode

Answering = Callable[[Tensor, Mode], Tensor]  # a network, or what is called like one


class Objective(Protocol):
    @property
    def module(self) -> nn.Module:
        """What is trained and kept, all of it."""
        ...

    def learn(self, images: Tensor, labels: Tensor, mode: Mode, step: int) -> float:
        """Leave gradients in `.grad`; returns the loss, a mean over these images.

        What it draws at random it derives from the step, so that all ranks draw the same.
        """
        ...


@dataclass(frozen=True, slots=True)
class Single:
    """One network, on labels, on what a teacher says of the images, or on both."""

    module: nn.Module
    task: Task
    recipe: Recipe
    teacher: Answering | None = None

    def __post_init__(self) -> None:
        as_the_recipe_says(self.recipe, self.teacher)

    def learn(self, images: Tensor, labels: Tensor, mode: Mode, step: int) -> float:
        outputs = self.module(images, mode)
        share = self.recipe.distillation
        loss = torch.zeros((), device=images.device)
        if share < 1:
            loss = (1 - share) * self.task.loss(outputs, labels, self.recipe.smoothing)
        if self.teacher is not None:
            wanted = answers(self.teacher, images)
            loss = loss + share * self.task.distilled(outputs, wanted, self.recipe.temperature)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()


@torch.no_grad()
def answers(teacher: Answering, images: Tensor) -> Tensor:
    """In float32 whatever the student learns in: only then are binary products whole numbers."""
    with torch.autocast(images.device.type, enabled=False):
        return teacher(images, ANSWER)


def as_the_recipe_says(recipe: Recipe, teacher: Answering | None) -> None:
    """A teacher nobody listens to is a mistake, and so is listening to none."""
    if (teacher is not None) != (recipe.distillation > 0):
        got = "none" if teacher is None else "one"
        raise ValueError(
            f"recipe {recipe.name!r} takes {recipe.distillation:.0%} of its loss "
            f"from a teacher; got {got}"
        )
