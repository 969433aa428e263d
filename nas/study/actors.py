"""Candidates by the hundred: a Ray Tune trial for each, scored by actors that stay.

What an actor needs to score, the weights of a supernet among it, lies once in Ray's object store
and is read there.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from ray import tune

from nas.study.records import Records
from nas.study.searcher import Progress, StudySearcher
from nas.study.study import Study
from nas.study.trial import Asked, Scored

Weights = Mapping[str, NDArray[Any]]
RETRIES = 2  # of a candidate whose process died
ROUND = 1000  # candidates of one run of Tune: it keeps all its trials, and goes through them


Scorer = Callable[[Asked], Scored]  # one candidate after another, in a process of its own


class Maker(Protocol):
    """What travels to the actors. Weights cannot be written to: all actors read the same memory."""

    def __call__(self, weights: Weights) -> Scorer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """`workers`: how many score at once, however large the cluster is. `scratch`: a folder that is
    deleted afterwards."""

    workers: int
    scratch: Path
    gpus: float = 0.0  # of one worker


def explore(
    study: Study,
    records: Records,
    wanted: int,
    make: Maker,
    weights: Weights,
    means: Means,
    progress: Progress,
    stopped: Callable[[], bool],
) -> bool:
    """Until so many architectures are told. False: the space has no more, or it was stopped."""
    study.recall(records.trials)
    trainable = tune.with_parameters(_Candidate, make=make, weights=dict(weights))
    resources = {"cpu": 1.0, **({"gpu": means.gpus} if means.gpus else {})}
    trainable = tune.with_resources(trainable, resources)
    while (before := study.candidates) < wanted:
        goal = min(wanted, before + ROUND)
        searcher = StudySearcher(study, records, goal, progress, stopped, means.workers)
        _tuner(trainable, searcher, means.scratch, f"explore from {before}").fit()
        if searcher.failure is not None:
            raise searcher.failure
        if study.candidates < goal:
            return False
    return True


def _tuner(trainable: Any, searcher: StudySearcher, scratch: Path, name: str) -> tune.Tuner:
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[_Forget()],
        ),
    )


class _Forget(tune.Callback):
    """Tune keeps every trial, and of each the last values of everything it reported: 15 kB that
    nobody asks for."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        trial.metric_n_steps.clear()
        trial.metric_analysis.clear()


class _Candidate(tune.Trainable):
    """One candidate; the actor that scored it is given the next."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], make: Maker, weights: Weights
    ) -> None:
        self._asked, self._broken = config["asked"], ""
        try:
            self._score = make(weights)
        except Exception as error:  # of no candidate: it would be the same for all
            logging.getLogger(__name__).exception("a process that scores")
            self._broken = f"cannot begin: {type(error).__name__}: {error}"

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._asked = new_config["asked"]
        return True

    def step(self) -> dict[str, Any]:
        if self._broken:
            return {"broken": self._broken, "done": True}
        begun = time.perf_counter()
        asked = Asked(**{**self._asked, "genome": tuple(self._asked["genome"])})
        try:
            scored = self._score(asked)
        except OSError as error:  # a full disk: of no candidate, and it may pass
            return {"broken": f"cannot go on: {type(error).__name__}: {error}", "done": True}
        except Exception as error:  # a candidate that cannot be scored is a result
            logging.getLogger(__name__).exception("candidate %s", asked.key)
            scored = Scored(values={}, note=f"{type(error).__name__}: {error}"[:500])
        took = time.perf_counter() - begun
        # As text: Tune would flatten what is nested.
        return {"scored": json.dumps({**asdict(scored), "seconds": took}), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        return None

    def load_checkpoint(self, checkpoint: Any) -> None:
        pass
