"""What a network begins with that is trained by itself: fresh weights, or those of a supernet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from search_spaces.arch import Arch
from search_spaces.space import Space
from search_spaces.text import to_text
from trainers.asked import space_for
from trainers.job import Job, fresh, recalibrated
from trainers.learning.checkpoint import load_weights
from trainers.networks.binarizers import binarizer
from trainers.networks.network import Network
from trainers.networks.parameters import needed
from trainers.networks.supernet import Supernet


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A supernet that was kept, by the names of what it is of."""

    home: Path
    space: str
    backbone: str


def begun(arch: Arch, job: Job, start: Start | None) -> Network:
    """Fresh where there is no supernet. Its norms get statistics of their own: it has none."""
    if start is None:
        return fresh(arch, job)
    learnt = json.loads((start.home / "result.json").read_text())["recipe"]["binarizer"]
    if learnt != job.recipe.binarizer:
        raise ValueError(
            f"the supernet learnt with binarizer {learnt!r} and recipe {job.recipe.name!r} has "
            f"{job.recipe.binarizer!r}: begin from scratch, or take a recipe with {learnt!r}"
        )
    space = space_for(start.space, start.backbone, job)
    supernet = Supernet(space, binarizer(job.recipe.binarizer), seed=job.seed)
    load_weights(start.home / "model.safetensors", supernet)
    refuse_others(arch, supernet, space)
    return recalibrated(supernet.extract(arch).to(job.device), job)


def refuse_others(arch: Arch, supernet: Supernet, space: Space) -> None:
    """An error for an architecture of which the supernet has not all weights."""
    has = {name: tensor.shape for name, tensor in supernet.bank.tensors().items()}
    wants = {}
    if arch.backbone == space.backbone.name:
        wants = needed([supernet.planned(arch)], supernet.binarizer)
    if not wants or any(
        name not in has or any(n > most for n, most in zip(need.shape, has[name], strict=True))
        for name, need in wants.items()
    ):
        raise ValueError(
            f"the supernet of {space.name} on {space.backbone.name} has no weights for "
            f"{to_text(arch)!r}: begin from scratch"
        )
