"""How a candidate is scored: with the supernet's weights, on the selection split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nas.study.actors import Weights
from nas.study.corrected import Correction, facts
from nas.study.objectives import Candidate, values
from nas.study.trial import Asked, Scored
from nas.times.latency import Latency
from search_spaces.cost import cost
from search_spaces.planner import plan
from trainers import asked as training
from trainers.candidates import Candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What travels to the processes that score; each reads the images for itself."""

    training: training.Asked
    space: str
    backbone: str
    latency: Latency
    objectives: tuple[str, ...]
    tune_steps: int = 0
    correction: Correction | None = None

    def __call__(self, weights: Weights) -> Callable[[Asked], Scored]:
        job = self.training.job()
        space = training.space_for(self.space, self.backbone, job)
        candidates = Candidates(space, job, weights, self.tune_steps)

        def score(asked: Asked) -> Scored:
            arch = space.decode(asked.genome)
            found = candidates.score(arch)
            if not math.isfinite(found.loss):  # it answers no numbers, so it names no class
                return Scored(values={}, note=f"its loss is {found.loss}")
            planned = plan(arch, space.backbone)
            time, accuracy = self.latency.predict_ns(planned) / 1e6, found.share
            if self.correction is not None:
                accuracy = self.correction(facts(arch, accuracy, time))
            candidate = Candidate(
                arch=arch,
                plan=planned,
                cost=cost(planned),
                error=1 - accuracy,
                latency_ms=time,
            )
            return Scored(values=values(candidate, self.objectives), loss=found.loss)

        return score
