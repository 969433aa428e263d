"""What every phase works with: the run, what was asked, the images, the space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from nas.console.screen import Screen
from nas.runs.run import Run
from nas.runs.settings import Settings
from search_spaces.arch import Arch
from search_spaces.plan import Plan
from search_spaces.searched import planned
from search_spaces.space import Space
from search_spaces.text import to_text
from search_spaces.uniform import known_archs
from trainers.asked import Asked
from trainers.data.images import digest

if TYPE_CHECKING:
    from trainers.data.sets import DataSet
    from trainers.job import Job


class Stopped(KeyboardInterrupt):
    """Ctrl-C, and all that was done is kept."""


def training(asked: Settings, seed: int, home: Path | None = None) -> Asked:
    """Of the supernet, with the images split by this seed."""
    return Asked(
        data=asked.data,
        data_dir=asked.data_dir,
        held_out=asked.held_out or asked.usual.held_out,
        recipe=asked.recipe or asked.usual.recipe,
        epochs=asked.epochs,
        seed=seed,
        device=asked.device,
        precision=asked.precision,
        home=home,
    )


@dataclass(frozen=True, eq=False)
class Work:
    """`seed`: of the split and of the supernet; where that comes from elsewhere, its own."""

    run: Run
    asked: Settings
    job: Job
    space: Space
    seed: int
    screen: Screen
    stopped: Callable[[], bool]

    @property
    def backbone(self) -> str:
        return self.space.backbone.name

    @cached_property
    def known(self) -> dict[str, Plan]:
        """Known architectures on this backbone, for these images."""
        return {name: self.plan(arch) for name, arch in known_archs(self.space).items()}

    @cached_property
    def known_archs(self) -> dict[str, Arch]:
        return known_archs(self.space)

    def plan(self, arch: Arch) -> Plan:
        """On its own backbone, which for known ones may be a variant of the space's."""
        return planned(self.space, arch)

    def check(self) -> None:
        """Ctrl-C, between two steps."""
        if self.stopped():
            raise Stopped


def facts(job: Job, space: Space) -> dict[str, Any]:
    """What run.json says besides what was asked."""
    count = space.count()
    return {
        "space": {
            **of_space(space),
            "architectures": count.architectures,
            "exact": count.exact,
            "axes": axes_of(space),
        },
        "data": of_images(job.data),
        "metric": job.task.metric,
    }


def of_space(space: Space, some: int = 200) -> dict[str, Any]:
    """`digest`: of what genomes mean there, as far as a sample tells."""
    rng = Random("meaning")
    archs = [to_text(space.decode(space.sample(rng))) for _ in range(some)]
    means = digest(repr((axes_of(space), space.backbone, archs)).encode())
    return {"name": space.name, "backbone": space.backbone.name, "digest": means}


def of_images(data: DataSet) -> dict[str, Any]:
    """Enough to split the same images again, and to see whether they still are the same."""
    return {
        "name": data.name,
        "digest": data.digest,
        "split": data.seed,
        "held_out": data.held_out,
        "shape": list(data.train.shape),
        "classes": list(data.classes),
        "train": len(data.train),
        "selection": len(data.selection),
    }


def axes_of(space: Space) -> list[dict[str, Any]]:
    return [{"name": axis.name, "choices": [*axis.plain]} for axis in space.axes]
