"""Who proposes candidates: Optuna's samplers by name, and a search around the front."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from random import Random

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)

from search_spaces.space import Genome, Space

# A sampler for batches of so many, with a seed. `local` is not Optuna's: see `neighbour`.
SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "nsga2": lambda batch, seed: NSGAIISampler(population_size=max(batch, 2), seed=seed),
    "nsga3": lambda batch, seed: _nsga3(max(batch, 2), seed),
    "tpe": lambda batch, seed: TPESampler(
        n_startup_trials=batch, multivariate=True, constant_liar=True, seed=seed
    ),
    "random": lambda batch, seed: RandomSampler(seed=seed),
    "local": lambda batch, seed: RandomSampler(seed=seed),
}


def _nsga3(batch: int, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return NSGAIIISampler(population_size=batch, seed=seed)


def neighbour(space: Space, front: Sequence[Genome], rng: Random) -> Genome:
    """One of the front with a choice made otherwise, so that it means something else."""
    genome = rng.choice(front)
    for _ in range(2 * len(space.axes)):
        genome, neutral = space.mutate(genome, rng)
        if not neutral and rng.random() < 0.7:
            break
    return genome
