"""The search itself: batches of candidates asked of a sampler, and told what they scored.

What a batch is depends on the batches before it, the seed and its own number, on nothing else: not
on who was scored first, nor on whether the search was interrupted. So a batch is told when all of
it is scored, in the order in which it was asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from nas.study.journal import MARK, Journal
from nas.study.objectives import column, exceeded
from nas.study.samplers import Fresh, axes_of, params_of, sampler_for
from nas.study.trial import Asked, Scored, Trial, front
from search_spaces.space import Genome, Space
from search_spaces.text import to_text
from trainers.learning.seeds import derived

WORST = 1e9  # told of what a failed candidate has no value for


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is searched, and how. `first` are the genomes of the first candidates, with names: as
    many batches begin with them as it takes. `most` architectures are asked for in all."""

    space: Space
    objectives: tuple[str, ...]
    limits: Mapping[str, float]
    sampler: str
    batch: int
    seed: int
    first: tuple[tuple[Genome, str], ...] = ()
    most: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column(name) for name in self.objectives)


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
            sampler=RandomSampler(0),  # each batch has its own
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.set_metric_names([*plan.columns])
        self.trials: list[Trial] = []
        self._numbers: dict[str, int] = {}  # of architectures, by key
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            number = trial.user_attrs["number"]
            self._numbers.setdefault(trial.user_attrs["key"], number)
        self._axes = axes_of(plan.space)
        self._first: dict[str, tuple[Genome, str]] = {}  # by key
        for genome, name in plan.first:
            self._first.setdefault(plan.space.decode(genome).key, (genome, name))
        self._batch: list[tuple[optuna.Trial, Asked]] = []

    @property
    def batches(self) -> int:
        """How many are told."""
        return int(self._study.user_attrs.get(MARK, 0))

    @property
    def candidates(self) -> int:
        """How many different architectures are told."""
        return len(self._numbers)

    def ask(self) -> list[Asked]:
        """The next batch, without repeats; empty where the space has no more architectures.

        One that is cut short at the end has the first of those it would have had.
        """
        assert not self._batch, "the batch before has not been told"
        number, new = self.batches, dict[str, Asked]()
        sampler = self._sampler(number, lambda key: key in self._numbers or key in new)
        waiting = [first for key, first in self._first.items() if key not in self._numbers]
        most = self.plan.space.genomes
        if self.plan.most is not None:
            most = min(most, self.plan.most)
        while len(new) < min(self.plan.batch, most - self.candidates):
            sampler.given, name = waiting.pop(0) if waiting else (None, "")
            with _nobody_waits(self._study):
                trial = self._study.ask(self._axes)
            if sampler.exhausted:
                self._study.tell(trial, state=TrialState.FAIL)
                break
            asked = Asked(
                number=self.candidates + len(new),
                batch=number,
                key=sampler.arch.key,
                arch=to_text(sampler.arch),
                genome=sampler.genome,
                known=name,
            )
            trial.set_user_attr("key", asked.key)
            trial.set_user_attr("number", asked.number)
            new[asked.key] = asked
            self._batch.append((trial, asked))
        return [*new.values()]

    def _sampler(self, batch: int, known: Callable[[str], bool]) -> Fresh:
        how, best = self.plan, list[Genome]()
        seed = derived(how.seed, "batch", batch) % 2**32
        if how.sampler == "local":
            found = front(self.trials, how.columns, how.limits)
            best = [trial.asked.genome for trial in found]
        inner = sampler_for(how.sampler, batch, how.batch, seed)
        self._study.sampler = sampler = Fresh(how.space, inner, known, seed, best)
        return sampler

    def tell(self, scores: Mapping[str, Trial]) -> None:
        """Everything that the last batch asked, in order; `scores` by key."""
        for proposal, asked in self._batch:
            trial = scores[asked.key]
            self._tell(proposal, trial.scored)
            self._numbers[asked.key] = asked.number
            self.trials.append(trial)
        self._study.set_user_attr(MARK, self.batches + 1)
        self._journal.flush()
        told = self._study.get_trials(deepcopy=False)
        for proposal, asked in self._batch:  # the storage made all of this anew for each trial
            told[proposal.number].distributions = self._axes
            told[proposal.number].params = params_of(self.plan.space, asked.genome)
        self._batch = []

    def _tell(self, trial: optuna.Trial, scored: Scored) -> None:
        # Optuna adds constraints up: worse than whatever keeps no limit.
        trial.set_constraint("failed", WORST if scored.failed else 0.0)
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
