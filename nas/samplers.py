"""Who proposes candidates: Optuna's samplers by name, and a search around the front."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.samplers._ga import BaseGASampler
from optuna.trial import FrozenTrial

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


def for_a_batch(sampler: BaseSampler, axes: dict[str, BaseDistribution]) -> BaseSampler:
    """Proposes as it does, without going through all trials for each candidate.

    Within a batch nothing is told, so which axes there are, which generation it is and who its
    parents are does not change. `sampler` serves one batch.
    """
    sampler.infer_relative_search_space = lambda study, trial: axes  # type: ignore[method-assign]
    if not isinstance(sampler, BaseGASampler):
        return sampler
    generation_of, parents_of = sampler.get_trial_generation, cache(sampler.get_parent_population)
    found: list[int] = []

    def generation(study: Study, trial: FrozenTrial) -> int:
        if not found:
            found.append(generation_of(study, trial))
        study._storage.set_trial_system_attr(
            trial._trial_id, sampler._get_generation_key(), found[0]
        )
        return found[0]

    sampler.get_trial_generation = generation  # type: ignore[method-assign]
    sampler.get_parent_population = parents_of  # type: ignore[method-assign]
    return sampler


def neighbour(space: Space, front: Sequence[Genome], rng: Random) -> Genome:
    """One of the front with a choice made otherwise, so that it means something else."""
    genome = rng.choice(front)
    for _ in range(2 * len(space.axes)):
        genome, neutral = space.mutate(genome, rng)
        if not neutral and rng.random() < 0.7:
            break
    return genome
