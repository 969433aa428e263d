"""How to train, as data: stages one after another, and what all of them share.

Lengths are in epochs and shares of a stage, so that a recipe can be shortened and says the same.
An epoch is as many steps as it takes to see as many images as there are.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from search_spaces.names import unknown
from trainers.networks.mode import Mode


class Optimizer(enum.StrEnum):
    SGD = "sgd"
    ADAM = "adam"


class Schedule(enum.StrEnum):
    """How the rate falls after the warm-up: in a half cosine or a straight line to nothing, or in
    steps, to a tenth at each of the stage's drops."""

    COSINE = "cosine"
    LINE = "line"
    STEPS = "steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is learnt in one go: how the network is computed meanwhile, and how weights move.

    signs     activations are signs; without, their tanh
    binary    weights are binary; without, the latent ones
    decay     of latent and real weights; scales, shifts, gates and thresholds have none
    warm_up   share of the stage in which the rate rises
    drops     shares of the stage at which the rate falls to a tenth
    """

    name: str
    epochs: float
    optimizer: Optimizer
    rate: float
    schedule: Schedule = Schedule.COSINE
    warm_up: float = 0.0
    drops: tuple[float, ...] = ()
    decay: float = 0.0
    signs: bool = True
    binary: bool = True

    def __post_init__(self) -> None:
        _above_nothing("epochs", self.epochs)
        _above_nothing("a rate", self.rate)
        _not_below_nothing("decay", self.decay)
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"a warm-up is a share of the stage below 1; got {self.warm_up}")
        if list(self.drops) != sorted(self.drops) or not all(0 < d < 1 for d in self.drops):
            raise ValueError(f"drops are shares of the stage, in order; got {self.drops}")
        if bool(self.drops) != (self.schedule is Schedule.STEPS):
            raise ValueError(f"drops belong to 'steps'; got '{self.schedule}' and {self.drops}")

    def steps(self, images: int, batch: int) -> int:
        return max(1, round(self.epochs * images / batch))

    def rate_at(self, step: int, steps: int) -> float:
        """At step 0 to steps - 1: no step is wasted on a rate of nothing."""
        warm = min(round(self.warm_up * steps), steps - 1)
        if step < warm:
            return self.rate * (step + 1) / (warm + 1)
        done = (step - warm) / (steps - warm)
        match self.schedule:
            case Schedule.COSINE:
                return self.rate * (1 + math.cos(math.pi * done)) / 2
            case Schedule.LINE:
                return self.rate * (1 - done)
            case Schedule.STEPS:
                return self.rate * 0.1 ** sum(step >= round(drop * steps) for drop in self.drops)


class Moment(NamedTuple):
    """A step of a training: of which stage, its number there, how many that stage has."""

    stage: Stage
    step: int
    steps: int

    @property
    def rate(self) -> float:
        return self.stage.rate_at(self.step, self.steps)

    def mode(self, statistics: float) -> Mode:
        """Estimators sharpen over a stage, not over the training: each stage has its own."""
        return Mode(
            statistics=statistics,
            progress=self.step / max(self.steps - 1, 1),
            signs=self.stage.signs,
            binary=self.stage.binary,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What all stages share, and the stages.

    augmentation  names, in the order they are applied
    smoothing     of the labels
    distillation  how much of the loss is the distance to a teacher's outputs, 0 to 1
    temperature   at which student and teacher are compared
    average       decay of the moving average of the weights, which is what the training then ends
                  with; 0: it ends with the weights themselves
    clip          the longest gradient, as a norm over all weights; 0: however long
    statistics    how far the running statistics of the batch norms move at each step. Where they
                  still hold some of what they began with at the end, they are calibrated then
    """

    name: str
    binarizer: str
    batch: int
    stages: tuple[Stage, ...]
    augmentation: tuple[str, ...] = ()
    momentum: float = 0.9
    smoothing: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    average: float = 0.0
    clip: float = 0.0
    statistics: float = 0.1

    def __post_init__(self) -> None:
        if self.batch < 1 or not self.stages:
            raise ValueError(f"a batch and stages are wanted; got {self.batch} and {self.stages}")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages have names of their own; got {', '.join(names)}")
        _above_nothing("a temperature", self.temperature)
        _not_below_nothing("clip", self.clip)
        for what in ("momentum", "smoothing", "average"):
            if not 0 <= getattr(self, what) < 1:
                raise ValueError(f"{what} is 0 or more and below 1; got {getattr(self, what)}")
        for what in ("distillation", "statistics"):
            if not 0 <= getattr(self, what) <= 1:
                raise ValueError(f"{what} is between 0 and 1; got {getattr(self, what)}")

    @property
    def epochs(self) -> float:
        return math.fsum(stage.epochs for stage in self.stages)

    def steps(self, images: int) -> int:
        return sum(stage.steps(images, self.batch) for stage in self.stages)

    def at(self, step: int, images: int) -> Moment:
        """Where step 0, 1, ... of a training on so many images stands."""
        left = step
        for stage in self.stages:
            steps = stage.steps(images, self.batch)
            if left < steps:
                return Moment(stage, left, steps)
            left -= steps
        raise IndexError(f"{self.name} has {self.steps(images)} steps; there is no step {step}")

    def shortened(self, *, epochs: float) -> Recipe:
        """The same in so many epochs: stages keep their proportions, and the name tells."""
        share = epochs / self.epochs
        stages = tuple(replace(stage, epochs=stage.epochs * share) for stage in self.stages)
        return replace(self, name=f"{self.name.partition('@')[0]}@{epochs:g}", stages=stages)


def to_json(recipe: Recipe) -> str:
    """The canonical text: one line, keys in order, no spaces."""
    return json.dumps(asdict(recipe), sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Recipe:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"a recipe in JSON; {error}") from error
    _complete("a recipe", data, Recipe)
    stages = []
    for n, stage in enumerate(data["stages"]):
        _complete(f"stage {n}", stage, Stage)
        if stage["optimizer"] not in list(Optimizer):
            raise unknown(f"stage {n}: optimizer", stage["optimizer"], Optimizer)
        if stage["schedule"] not in list(Schedule):
            raise unknown(f"stage {n}: schedule", stage["schedule"], Schedule)
        kinds = {
            "optimizer": Optimizer(stage["optimizer"]),
            "schedule": Schedule(stage["schedule"]),
            "drops": tuple(stage["drops"]),
        }
        stages.append(Stage(**{**stage, **kinds}))
    return Recipe(**{**data, "stages": tuple(stages), "augmentation": tuple(data["augmentation"])})


def _complete(what: str, data: Any, kind: type) -> None:
    wanted = {field.name for field in fields(kind)}
    got = set(data) if isinstance(data, dict) else set()
    if got != wanted:
        missing, more = sorted(wanted - got), sorted(got - wanted)
        raise ValueError(f"{what} lacks {missing} and has {more}, which it should not")


def _above_nothing(what: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{what} is a number above 0; got {value}")


def _not_below_nothing(what: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{what} is 0 or more; got {value}")
