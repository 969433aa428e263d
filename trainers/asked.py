"""A training as it is asked for, in names and numbers: any process makes the same one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from search_spaces.space import Space
from search_spaces.spaces import find_space
from trainers.data.sets import load
from trainers.job import Job, device, fitted, suited, usual_backbone
from trainers.learning.recipes import find_recipe
from trainers.learning.train import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`threads` of the CPU: None leaves it to torch. `held_out`: the share of the training images
    that is not learnt from, to choose by; with 0 all are. `split`: which they are, where it is not
    the seed that says it."""

    data: str
    data_dir: Path | None = None
    held_out: float = 0.1
    split: int | None = None
    recipe: str
    epochs: float | None = None
    seed: int = 0
    device: str = "cpu"
    precision: str = "float32"
    threads: int | None = None
    home: Path | None = None

    def job(self) -> Job:
        """Reads the data set, without its test split."""
        if self.threads:
            torch.set_num_threads(self.threads)
        recipe = suited(find_recipe(self.recipe), self.data)
        if self.epochs is not None:
            recipe = recipe.shortened(epochs=self.epochs)
        precision, where = Precision(self.precision), device(self.device)
        split = self.seed if self.split is None else self.split
        data = load(self.data, self.data_dir, seed=split, held_out=self.held_out)
        return Job(
            data=data,
            recipe=recipe,
            seed=self.seed,
            home=self.home,
            device=where,
            precision=precision,
        )


def space_for(name: str, backbone: str | None, job: Job, usual: str | None = None) -> Space:
    """A space by name, on its backbone as the images and classes of the job want it.

    `usual`: the backbone where none is named, if not the usual one of the data; a space that brings
    its own keeps that.
    """
    space = find_space(name, backbone, usual or usual_backbone(job.data.name))
    return replace(space, backbone=fitted(space.backbone, job.data))
