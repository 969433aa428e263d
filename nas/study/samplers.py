"""Who proposes candidates: Optuna's samplers by name, and a search around the front."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, TPESampler
from optuna.samplers._ga import BaseGASampler
from optuna.trial import FrozenTrial

from search_spaces.arch import Arch
from search_spaces.space import Genome, Space

# A sampler for batches of so many, with a seed. None: not Optuna's, see `Fresh`.
SAMPLERS: dict[str, Callable[[int, int], BaseSampler] | None] = {
    "nsga2": lambda batch, seed: NSGAIISampler(population_size=max(batch, 2), seed=seed),
    "nsga3": lambda batch, seed: _nsga3(max(batch, 2), seed),
    "tpe": lambda batch, seed: TPESampler(
        n_startup_trials=batch, multivariate=True, constant_liar=True, seed=seed
    ),
    "random": None,
    "local": None,
}
REPEATS = 2  # in a row that a sampler may propose
STEPS = 30  # from a repeat to its neighbours, theirs, and so on
TRIES = 1000  # at random, before a space counts as exhausted


def _nsga3(batch: int, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return NSGAIIISampler(population_size=batch, seed=seed)


def axes_of(space: Space) -> dict[str, BaseDistribution]:
    return {axis.name: CategoricalDistribution(axis.plain) for axis in space.axes}


def params_of(space: Space, genome: Genome) -> dict[str, Any]:
    return {a.name: a.plain[choice] for a, choice in zip(space.axes, genome, strict=True)}


class Fresh(BaseSampler):
    """Proposes for one batch what is not `known` yet, which goes by the key: what `inner` says; or,
    without one, a neighbour of `best`, or at random.

    A sampler that converges says what is known most of the time. Then a neighbour of that is
    proposed: it costs a look at its key, where a trial that repeats another costs a trial.

    given      proposed next, unless it is known, whatever the sampler says
    genome     proposed last; `arch`: what it means
    exhausted  nothing was found that is not known
    """

    def __init__(
        self,
        space: Space,
        inner: BaseSampler | None,
        known: Callable[[str], bool],
        seed: int,
        best: Sequence[Genome] = (),
    ) -> None:
        self._space, self._inner, self._known, self._best = space, inner, known, best
        self._axes = axes_of(space)
        self._rng = Random(seed)
        self.given: Genome | None = None
        self.genome: Genome = ()
        self.arch: Arch
        self.exhausted = False

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._axes

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Proposes here: for a space without a choice, Optuna asks for nothing later."""
        for genome in self._proposals(study, trial):
            self.genome, self.arch = genome, self._space.decode(genome)
            if not self._known(self.arch.key):
                break
        else:
            self.exhausted = True

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        return params_of(self._space, self.genome)

    def sample_independent(self, *_: object) -> Any:
        raise AssertionError("all that a space has is proposed at once")

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[Genome]:
        genome = self._proposed(study, trial)  # asked in any case: it notes the generation
        if self.given is not None:
            given, self.given = self.given, None
            yield given
        for _ in range(REPEATS - 1):
            yield genome
            genome = self._proposed(study, trial)
        yield genome
        for _ in range(STEPS):
            genome = neighbour(self._space, [genome], self._rng)
            yield genome
        for _ in range(TRIES):
            yield self._space.sample(self._rng)

    def _proposed(self, study: Study, trial: FrozenTrial) -> Genome:
        if self._best:
            return neighbour(self._space, self._best, self._rng)
        genome = [*self._space.sample(self._rng)]
        if self._inner is not None:  # it may leave an axis out: that is to be drawn at random
            found = self._inner.sample_relative(study, trial, self._axes)
            for n, axis in enumerate(self._space.axes):
                if axis.name in found:
                    genome[n] = axis.plain.index(found[axis.name])
        return tuple(genome)


def sampler_for(name: str, batch: int, size: int, seed: int) -> BaseSampler | None:
    """Optuna's, for the one batch of that number. A batch is a generation, and its parents are the
    same for all of it: nobody goes through all trials for each candidate."""
    make = SAMPLERS[name]
    sampler = make(size, seed) if make else None
    if not isinstance(sampler, BaseGASampler):
        return sampler
    noted: set[int] = set()

    def generation(study: Study, trial: FrozenTrial) -> int:
        if trial._trial_id not in noted:
            noted.add(trial._trial_id)
            key = sampler._get_generation_key()
            study._storage.set_trial_system_attr(trial._trial_id, key, batch)
        return batch

    sampler.get_trial_generation = generation  # type: ignore[method-assign]
    sampler.get_parent_population = cache(sampler.get_parent_population)  # type: ignore[method-assign]
    return sampler


def neighbour(space: Space, front: Sequence[Genome], rng: Random) -> Genome:
    """One of the front with a choice made otherwise, so that it means something else."""
    genome = rng.choice(front)
    for _ in range(2 * len(space.axes)):
        genome, neutral = space.mutate(genome, rng)
        if not neutral and rng.random() < 0.7:
            break
    return genome
