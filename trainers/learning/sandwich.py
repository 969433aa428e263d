"""A step of a supernet: the largest architecture, the smallest, and some at random.

All but the largest learn from the largest: its outputs on the same images are their labels. Which
are drawn depends on the seed and the step alone, so all processes draw the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from torch import Tensor, nn

from search_spaces.arch import Arch
from search_spaces.cost import cost
from search_spaces.extremes import extremes
from search_spaces.planner import plan
from search_spaces.space import Space
from trainers.learning.objective import answers, as_the_recipe_says
from trainers.learning.recipe import Recipe
from trainers.learning.seeds import derived
from trainers.learning.task import Task
from trainers.networks.mode import Mode
from trainers.networks.network import Network
from trainers.networks.supernet import Supernet


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """`others` architectures beside the largest and the smallest.

    widening  the share of the training in which what is drawn grows from the largest alone to
              everything; 0: everything from the start
    """

    others: int = 2
    widening: float = 0.0

    def __post_init__(self) -> None:
        if self.others < 0 or not 0 <= self.widening <= 1:
            raise ValueError(
                f"0 or more architectures and a share of the training are wanted; got {self}"
            )


class Drawn:
    """The architectures of each step."""

    def __init__(self, space: Space, sampling: Sampling, steps: int, seed: int) -> None:
        self.space, self.sampling, self.steps, self.seed = space, sampling, steps, seed
        self.largest, self.smallest, self._most = extremes(space)
        self._ends = [self._ops(arch) for arch in (self.smallest, self.largest)]

    def __call__(self, step: int) -> tuple[Arch, ...]:
        rng = Random(derived(self.seed, "architectures", step))
        floor = self._floor(step)
        others = tuple(self._drawn(rng, floor) for _ in range(self.sampling.others))
        return (self.largest, *([self.smallest] if floor <= self._ends[0] else []), *others)

    def _floor(self, step: int) -> float:
        """As few OPs as what is drawn may have."""
        low, high = self._ends
        widening = self.sampling.widening * self.steps
        return low if step >= widening else high - (high - low) * step / widening

    def _drawn(self, rng: Random, floor: float) -> Arch:
        """At random; as long as it is too small, axis by axis as the largest is."""
        genome = list(self.space.sample(rng))
        arch = self.space.decode(tuple(genome))
        if floor <= self._ends[0]:
            return arch
        for axis in rng.sample(range(len(genome)), len(genome)):
            if self._ops(arch) >= floor:
                break
            genome[axis] = self._most[axis]
            arch = self.space.decode(tuple(genome))
        return arch

    def _ops(self, arch: Arch) -> float:
        return cost(plan(arch, self.space.backbone)).ops


class Sandwich:
    """The objective of a supernet's training. See `trainers.learning.train.Objective`."""

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        recipe: Recipe,
        drawn: Drawn,
        teacher: Network | None = None,
    ) -> None:
        as_the_recipe_says(recipe, teacher)
        self.module: nn.Module = supernet
        self.supernet, self.task, self.recipe = supernet, task, recipe
        self.drawn, self.teacher = drawn, teacher

    def learn(self, images: Tensor, labels: Tensor, mode: Mode, step: int) -> float:
        """The mean loss; the gradients are those of the mean. Running statistics stay: they would
        be of no architecture.
        """
        mode = replace(mode, statistics=0.0)
        archs = self.drawn(step)
        outputs = self.supernet(images, archs[0], mode)
        loss = self._of_largest(images, outputs, labels)
        (loss / len(archs)).backward()  # type: ignore[no-untyped-call]
        total, soft = float(loss.detach()), outputs.detach()
        for arch in archs[1:]:
            loss = self.task.distilled(
                self.supernet(images, arch, mode), soft, self.recipe.temperature
            )
            (loss / len(archs)).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total / len(archs)

    def _of_largest(self, images: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
        loss = self.task.loss(outputs, labels, self.recipe.smoothing)
        if self.teacher is None:
            return loss
        taught = answers(self.teacher, images)
        share = self.recipe.distillation
        distance = self.task.distilled(outputs, taught, self.recipe.temperature)
        return (1 - share) * loss + share * distance
