"""The search itself: batches of candidates asked of a sampler, and told what they scored.

What a batch is depends on the batches before it, the seed and its own number, on nothing else: not
on who was scored first, nor on whether the search was interrupted. So a batch is told when all of
it is scored, in the order in which it was asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from nas.journal import MARK, Journal
from nas.objectives import column, exceeded
from nas.samplers import SAMPLERS, for_a_batch, neighbour
from nas.trial import Asked, Scored, Trial, front
from search_spaces.space import Genome, Space
from search_spaces.text import to_text
from trainers.seeds import derived

REPEATS = 2  # in a row that a sampler may propose before others propose at random
TRIES = 400  # at random, before a space counts as exhausted
WORST = 1e9  # told of what a failed candidate has no value for


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is searched, and how. `first` are the genomes of the first candidates, with names: as
    many batches begin with them as it takes."""

    space: Space
    objectives: tuple[str, ...]
    limits: Mapping[str, float]
    sampler: str
    batch: int
    seed: int
    first: tuple[tuple[Genome, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column(name) for name in self.objectives)


@dataclass(frozen=True, slots=True)
class _Proposal:
    trial: optuna.Trial
    asked: Asked  # a repeat has the key and the number of the candidate that it repeats


class Study:
    """On the journal of a run, where it left off. `known` answers for what was scored before."""

    def __init__(self, plan: Plan, path: Path) -> None:
        optuna.logging.disable_default_handler()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.plan = plan
        self._journal = Journal(path)
        self._study = optuna.create_study(
            study_name="search",
            storage=JournalStorage(self._journal),
            directions=["minimize"] * len(plan.objectives),
            load_if_exists=True,
            sampler=SAMPLERS["random"](1, 0),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.set_metric_names([*plan.columns])
        self.trials: list[Trial] = []
        self._numbers: dict[str, int] = {}  # of architectures, by key
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            number = trial.user_attrs["number"]
            self._numbers.setdefault(trial.user_attrs["key"], number)
        self._axes: dict[str, BaseDistribution] = {
            axis.name: CategoricalDistribution(axis.plain) for axis in plan.space.axes
        }
        self._first = [(plan.space.decode(genome).key, genome, name) for genome, name in plan.first]
        self._batch: list[_Proposal] = []

    @property
    def batches(self) -> int:
        """How many are told."""
        return int(self._study.user_attrs.get(MARK, 0))

    @property
    def candidates(self) -> int:
        """How many different architectures are told."""
        return len(self._numbers)

    def ask(self) -> list[Asked]:
        """The next batch, without repeats; empty where the space has no more architectures."""
        assert not self._batch, "the batch before has not been told"
        number = self.batches
        seed = derived(self.plan.seed, "batch", number) % 2**32
        sampler = self._sampler(self.plan.sampler, seed)
        rng = Random(seed)
        new: dict[str, Asked] = {}
        waiting = [(genome, name) for key, genome, name in self._first if key not in self._numbers]
        repeats = tries = 0  # in a row; at random, in all
        while len(new) < self.plan.batch and tries < TRIES:
            stuck = repeats >= REPEATS
            tries += stuck
            self._study.sampler = self._sampler("random", rng.getrandbits(32)) if stuck else sampler
            genome, name = waiting.pop(0) if waiting else (self._local(rng, stuck), "")
            proposal = self._propose(number, genome, name, new)
            self._batch.append(proposal)
            if proposal.asked.key in new or proposal.asked.key in self._numbers:
                repeats += 1
            else:
                repeats = 0
                new[proposal.asked.key] = proposal.asked
        return [*new.values()]

    def _sampler(self, name: str, seed: int) -> BaseSampler:
        return for_a_batch(SAMPLERS[name](self.plan.batch, seed), self._axes)

    def _local(self, rng: Random, stuck: bool) -> Genome | None:
        """A neighbour of the front, where the search is local and has one."""
        if self.plan.sampler != "local" or stuck:
            return None
        best = front(self.trials, self.plan.columns, self.plan.limits)
        return neighbour(self.plan.space, [t.asked.genome for t in best], rng) if best else None

    def _propose(
        self, batch: int, genome: Genome | None, name: str, new: Mapping[str, Asked]
    ) -> _Proposal:
        axes = self.plan.space.axes
        if genome is not None:
            chosen = {a.name: a.plain[g] for a, g in zip(axes, genome, strict=True)}
            self._study.enqueue_trial(chosen)
            trial = self._study.ask(self._axes)
        else:
            with _nobody_waits(self._study):
                trial = self._study.ask(self._axes)
        chosen = trial.params
        picked = [axis.choices.index(chosen[axis.name]) for axis in axes]
        arch = self.plan.space.decode(tuple(picked))
        key = arch.key
        known = self._numbers.get(key)
        if key in new:
            known = new[key].number
        number = self.candidates + len(new) if known is None else known
        trial.set_user_attr("key", key)
        trial.set_user_attr("number", number)
        return _Proposal(
            trial,
            Asked(
                number=number,
                batch=batch,
                key=key,
                arch=to_text(arch),
                genome=tuple(picked),
                known=name,
            ),
        )

    def tell(self, scores: Mapping[str, Trial]) -> None:
        """Everything that the last batch asked, in order; `scores` by key, of earlier ones too."""
        for proposal in self._batch:
            trial = scores[proposal.asked.key]
            self._tell(proposal.trial, trial.scored)
            if proposal.asked.key not in self._numbers:
                self._numbers[proposal.asked.key] = proposal.asked.number
                self.trials.append(trial)
        self._study.set_user_attr(MARK, self.batches + 1)
        self._journal.flush()
        told = self._study.get_trials(deepcopy=False)
        for proposal in self._batch:  # the storage made distributions of its own for each trial
            told[proposal.trial.number].distributions = self._axes
        self._batch = []

    def _tell(self, trial: optuna.Trial, scored: Scored) -> None:
        trial.set_constraint("failed", float(scored.failed))
        if not scored.failed:
            for name, share in exceeded(scored.values, self.plan.limits).items():
                trial.set_constraint(name, share)
        values = [scored.values.get(name, WORST) for name in self.plan.columns]
        self._study.tell(trial, values)

    def recall(self, trials: Sequence[Trial]) -> None:
        """What was told before this process began, in order of numbers."""
        told = [t for t in trials if t.asked.key in self._numbers]
        if len(told) != self.candidates:
            raise ValueError(
                f"{self._journal.path} has {self.candidates} architectures, of which {len(told)} "
                "have a score in scores.jsonl; delete the journal: the same candidates are asked "
                "again, and none of those that have a score is scored again"
            )
        self.trials = sorted(told, key=lambda trial: trial.asked.number)


@contextmanager
def _nobody_waits(study: optuna.Study) -> Iterator[None]:
    """Optuna looks through all trials for one that waits, for each candidate. None does here."""
    study._pop_waiting_trial_id = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        del study._pop_waiting_trial_id
