"""Several trainings at once on one machine: a Ray Tune trial for each, and none fails another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nas.console.screen import Screen
from nas.processes.board import Last, Telling, new_board, stopping, watched
from nas.processes.cluster import ray_cluster
from trainers.learning.train import Progress

RETRIES = 2  # of a training whose process died; it goes on from its checkpoint

Tell = Callable[[Progress], bool]  # how far it is; true: stop, and keep a checkpoint
Training = Callable[[Tell], None]  # leaves its files; as a value it travels to other processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """`at_once`: trainings at the same time, with so many threads each."""

    at_once: int
    cuda: bool = False
    verbose: bool = False
    screen: Screen
    name: str  # of the bar
    stopped: Callable[[], bool]


def abreast(trainings: Mapping[str, Training], means: Means) -> dict[str, str]:
    """By name why it failed, of those that did. What was stopped has not failed."""
    if len(trainings) > 1 and means.at_once > 1:
        return _by_ray(trainings, means)
    errors: dict[str, str] = {}
    last: Last = {}
    with means.screen.bar(means.name) as bar:
        for name, training in trainings.items():

            def tell(at: Progress, name: str = name) -> bool:
                last[name] = {"step": at.step, "steps": at.steps, "loss": at.loss}
                bar.at(*_said(last, len(trainings)))
                return means.stopped()

            if means.stopped():
                break
            try:
                training(tell)
            except Exception as error:
                errors[name] = why(name, error)
    return errors


def why(name: str, error: Exception) -> str:
    """In a line, why this training failed; of a defect of ours the log has all of it."""
    if isinstance(error, ValueError | OSError):
        return str(error)[:1000]
    logging.getLogger(__name__).error("%s", name, exc_info=error)
    return repr(error)[:1000]


def _by_ray(trainings: Mapping[str, Training], means: Means) -> dict[str, str]:
    at_once = min(means.at_once, len(trainings))
    with means.screen.bar(means.name) as bar, ray_cluster(at_once, None, means.verbose) as scratch:
        from ray import tune

        board = new_board()
        names = [*trainings]

        def show(last: Last) -> None:
            if last:
                bar.at(*_said(last, len(names)))

        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(_trial(), trainings=dict(trainings), board=board),
                {"cpu": 1.0, **({"gpu": 1 / at_once} if means.cuda else {})},
            ),
            param_space={"name": tune.grid_search(names)},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                name=means.name,
                storage_path=str(scratch / "tune"),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=RETRIES),
            ),
        )
        gave = watched(tuner.fit, board, show, means.stopped)
        found = [one for results in gave for one in results]
    errors = {}
    for one in found:
        name, error = one.config["name"], (one.metrics or {}).get("failed", "")
        if one.error is not None:
            errors[name] = f"its process died each time it was tried: {one.error}"
        elif error:
            errors[name] = error
    return errors


def _trial() -> type:
    """A class, for its actors are given one training after another; made here, for it wants Ray."""
    from ray import tune

    class Trial(tune.Trainable):
        def setup(self, config: Any, trainings: Any, board: Any) -> None:  # type: ignore[override]
            self._name, self._trainings, self._board = config["name"], trainings, board

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._name = new_config["name"]
            return True

        def step(self) -> dict[str, Any]:
            if stopping(self._board):  # what waited for its turn is not begun
                return {"failed": "", "done": True}
            try:
                self._trainings[self._name](Telling(self._board, self._name))
            except Exception as error:  # tried again it would fail again
                return {"failed": why(self._name, error), "done": True}
            return {"failed": "", "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            return None

        def load_checkpoint(self, checkpoint: Any) -> None:
            pass

    return Trial


def _said(last: Last, count: int) -> tuple[float, float, str]:
    """Steps done, steps in all, and both in words; those that have not begun count as the rest."""
    done, known = sum(at["step"] for at in last.values()), sum(at["steps"] for at in last.values())
    ended = sum(at["step"] == at["steps"] for at in last.values())
    loss = [*last.values()][-1]["loss"]
    total = known * count / len(last)
    of = f"{ended} of {count} trained, " if count > 1 else ""
    return done, total, f"{of}step {done:,.0f} of {total:,.0f}, loss {loss:.3f}"
