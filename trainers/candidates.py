"""What the networks of a supernet are worth: each with its weights, and statistics of its own.

The weights may lie in memory that several processes read: nothing is written to them. What a
candidate changes, its norms' statistics and tuned weights, are copies.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels import gate
from kernels.engine import Engine
from search_spaces.arch import Arch
from search_spaces.space import Space
from trainers.export import packed
from trainers.job import Job, recalibrated
from trainers.learning.checkpoint import read_weights
from trainers.learning.objective import Single
from trainers.learning.recipe import Recipe
from trainers.learning.score import Score, score
from trainers.learning.state import Keep
from trainers.learning.train import train
from trainers.networks.binarizers import binarizer
from trainers.networks.mode import Mode
from trainers.networks.network import Network
from trainers.networks.supernet import Supernet

Arrays = Mapping[str, NDArray[Any]]
TUNED_AT = 0.1  # of the recipe's last rate: weights are good already


def arrays(home: Path) -> dict[str, NDArray[Any]]:
    """The weights of a supernet that was kept, by name."""
    tensors, _ = read_weights(home / "model.safetensors")
    return {name: tensor.numpy() for name, tensor in tensors.items()}


class Candidates:
    def __init__(self, space: Space, job: Job, weights: Arrays, tune_steps: int = 0) -> None:
        self.job, self.tune_steps = job, tune_steps
        self.supernet = Supernet(space, binarizer(job.recipe.binarizer), seed=job.seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
        mine = self.supernet.state_dict()
        if mine.keys() != tensors.keys() or any(
            mine[name].shape != tensor.shape for name, tensor in tensors.items()
        ):
            raise ValueError(f"these weights are not of a supernet of {space.name}")
        self.supernet.requires_grad_(False)
        self.supernet.load_state_dict(tensors, assign=True)
        self.supernet.to(job.device)

    def network(self, arch: Arch) -> Network:
        """Ready to answer."""
        net = self.supernet.extract(arch, copied=self.tune_steps > 0)
        if self.tune_steps:
            self._tune(net)
        with gate.working():
            return recalibrated(net, self.job)

    def score(self, arch: Arch) -> Score:
        """On the selection split, while nobody on this machine measures.

        On a CPU by the packed program, which is what will run, and several times as fast as torch.
        """
        net, images = self.network(arch), self.job.data.selection
        with gate.working():
            if self.job.device.type != "cpu":
                return score(net, self.job.task, images, device=self.job.device)
            return score(_answering(net, self.job), self.job.task, images, pixels=True)

    def same_path(self, arch: Arch, images: int = 64) -> bool:
        """Whether the network of an architecture computes what the supernet computes for it."""
        indices = np.arange(min(images, len(self.job.data.selection)))
        pixels = self.job.data.selection.take(indices)
        prepared = self.job.task.prepare(pixels).to(self.job.device)
        mode = Mode(statistics=0.0)  # of the images: those of the supernet are of no architecture
        with torch.no_grad():
            mine = self.supernet.extract(arch)(prepared, mode)
            return torch.equal(mine, self.supernet(prepared, arch, mode))

    def _tune(self, net: Network) -> None:
        job, recipe = self.job, tuning(self.job.recipe, self.tune_steps, len(self.job.data.train))
        objective = Single(net, job.task, recipe)
        for _ in train(objective, job.task, job.data.train, recipe, Keep(seed=job.seed)):
            pass


def _answering(net: Network, job: Job) -> Callable[[Tensor, Mode], Tensor]:
    """Its packed program, on pixels of 0 to 255."""
    engine = Engine(packed(net, job.task), threads=torch.get_num_threads(), measured=False)  # type: ignore[arg-type]
    return lambda pixels, mode: torch.from_numpy(engine.run(pixels.numpy()))


def tuning(recipe: Recipe, steps: int, images: int) -> Recipe:
    """So many steps of the last stage, on labels, at a rate that lets weights only settle."""
    last = recipe.stages[-1]
    stage = replace(
        last, epochs=steps * recipe.batch / images, rate=last.rate * TUNED_AT, warm_up=0.0
    )
    return replace(
        recipe, name=f"{recipe.name}, tuned", stages=(stage,), distillation=0.0, average=0.0
    )
