"""How good a network is on labelled images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from trainers.data.images import Images
from trainers.learning.objective import Answering
from trainers.learning.task import Task
from trainers.networks.mode import ANSWER, Mode


@dataclass(frozen=True, slots=True)
class Score:
    """`correct` is what the task's metric counts, summed over `count` images; `loss` is a mean."""

    correct: float
    count: int
    loss: float

    @property
    def share(self) -> float:
        return self.correct / self.count


@torch.no_grad()
def score(
    network: Answering,
    task: Task,
    images: Images,
    *,
    mode: Mode = ANSWER,
    batch: int = 256,
    device: torch.device | str = "cpu",
    pixels: bool = False,
) -> Score:
    """On all the images, in the order they lie in. `pixels`: the network prepares them itself.
    `mode` other than `ANSWER` is for looking at networks that are not done; it should leave running
    statistics alone."""
    if not len(images):
        raise ValueError("there are no images to score on")
    correct = loss = 0.0
    for start in range(0, len(images), batch):
        indices = np.arange(start, min(start + batch, len(images)))
        labels = torch.from_numpy(images.labels[indices]).to(device)
        taken = torch.from_numpy(images.take(indices)).to(device)
        outputs = network(taken if pixels else task.prepare(taken), mode)
        correct += task.correct(outputs, labels)
        loss += float(task.loss(outputs, labels, 0.0)) * len(indices)
    return Score(correct, len(images), loss / len(images))
