"""What is made up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from search_spaces.known import KNOWN, known
from search_spaces.space import Space
from search_spaces.spaces import find_space

_CLASSES = 10


@dataclass(frozen=True)
class MadeUp:
    """What to make up. `told`: how many candidates were scored before the search was killed.

    `max_latency` makes what is slower infeasible. `data` and `classes` may be any text. `timed_on`:
    another machine, of which a profile was given. `seeds`: with how many each pick is retrained.
    `lines`: picks that were given as a line, and were no candidates.
    """

    trials: int = 200
    told: int | None = None  # None: all
    backbone: str = "resnet20"
    seed: int = 0
    sampler: str = "nsga2"
    objectives: tuple[str, ...] = ("error", "latency")
    max_latency: float | None = None
    failing: float = 0.0  # the share that fails
    measured: bool = True
    timed_on: str | None = None
    picks: int = 0
    seeds: int = 1
    lines: int = 0
    fidelity: bool = False
    data: str = "made-up"
    classes: tuple[str, ...] = tuple(f"class {n}" for n in range(_CLASSES))

    @property
    def killed(self) -> bool:
        return self.told is not None and self.told < self.trials

    @cached_property
    def names(self) -> dict[str, str]:
        """Of known architectures, by key."""
        return {known(name, self.space.backbone).key: name for name in KNOWN}

    @cached_property
    def space(self) -> Space:
        return find_space("groupnet", self.backbone)
