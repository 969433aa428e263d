"""What the choices on each axis have to do with the costs, and which of them are on the front."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from reports.run import AXIS, Row

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FEWEST = 50  # candidates: with fewer, the tenth that importance looks at is hardly a handful


def importance(
    trials: Sequence[Row], axes: Mapping[str, Sequence[str]], costs: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """For each cost (its column), each axis's share in what makes the best tenth the best.

    PED-ANOVA, of candidates that were scored, feasible or not. It explains low values, so costs go
    in as they are. Empty where there are too few candidates.
    """
    scored = [t for t in trials if all(t.get(column) is not None for column in costs.values())]
    scored = [t for t in scored if all(_known(t, axis, axes[axis]) for axis in axes)]
    varied = {
        axis: choices for axis, choices in axes.items() if len({t[AXIS + axis] for t in scored}) > 1
    }
    if len(scored) < FEWEST or not varied:
        return {}
    return _ped_anova(scored, varied, costs)


def _known(trial: Row, axis: str, choices: Sequence[str]) -> bool:
    return trial.get(AXIS + axis) in choices


def _ped_anova(
    trials: Sequence[Row], axes: Mapping[str, Sequence[str]], costs: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    kinds = {a: optuna.distributions.CategoricalDistribution(tuple(c)) for a, c in axes.items()}
    study_trials = [
        optuna.trial.create_trial(
            params={axis: str(trial[AXIS + axis]) for axis in axes},
            distributions=dict(kinds),
            values=[float(trial[column] or 0) for column in costs.values()],
        )
        for trial in trials
    ]
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for each study that is made
    try:
        study = optuna.create_study(directions=["minimize"] * len(costs))
        study.add_trials(study_trials)
        found = {}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*low `target` values")
            for n, cost in enumerate(costs):
                found[cost] = get_param_importances(
                    study,
                    evaluator=PedAnovaImportanceEvaluator(),
                    target=_value(n),
                )
    finally:
        optuna.logging.set_verbosity(level)
    return {cost: {axis: found[cost].get(axis, 0.0) for axis in axes} for cost in found}


def _value(n: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: float(trial.values[n])


def frequency(
    trials: Sequence[Row], axes: Mapping[str, Sequence[str]], on_front: Sequence[object]
) -> dict[str, list[tuple[int, int]]]:
    """For each axis, how often each choice was made: on the front, and in all. By key."""
    keys = set(on_front)
    once = list({trial["key"]: trial for trial in trials}.values())
    found = {}
    for axis, choices in axes.items():
        every = Counter(trial.get(AXIS + axis) for trial in once)
        best = Counter(trial.get(AXIS + axis) for trial in once if trial["key"] in keys)
        found[axis] = [(best[choice], every[choice]) for choice in choices]
    return found
