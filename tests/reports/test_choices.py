"""Which choices matter, and which are on the front."""

from __future__ import annotations

import warnings
from random import Random

import optuna

from reports.choices import frequency, importance
from reports.run import Row

AXES = {"good": ["0", "1", "2", "3"], "slow": ["0", "1", "2", "3"], "idle": ["a", "b", "c"]}
COSTS = {"error": "error", "latency": "latency_ms"}


def trials(count: int) -> list[Row]:
    """`good` alone decides the error, `slow` alone the time; `idle` does nothing."""
    rng = Random(0)
    rows: list[Row] = []
    for n in range(count):
        choice = {name: rng.choice(choices) for name, choices in AXES.items()}
        rows.append(
            {
                "key": str(n),
                "error": 1 - int(choice["good"]) / 4 + rng.gauss(0, 0.02),
                "latency_ms": 1 + int(choice["slow"]) + rng.gauss(0, 0.02),
                **{f"axis.{name}": chosen for name, chosen in choice.items()},
            }
        )
    return rows


def test_the_axis_that_decides_a_cost_matters_for_it_and_no_other() -> None:
    found = importance(trials(300), AXES, COSTS)
    assert found["error"]["good"] > 0.9
    assert found["latency"]["slow"] > 0.9
    assert max(found["error"]["idle"], found["latency"]["idle"]) < 0.05


def test_importance_is_about_low_values() -> None:
    """One choice of `good` gives the only low errors; only the high ones depend on `slow`."""
    rows = trials(400)
    for row in rows:
        best = row["axis.good"] == "3"
        row["error"] = 0.1 if best else 0.5 + 0.1 * int(str(row["axis.slow"]))
    found = importance(rows, AXES, {"error": "error"})
    assert found["error"]["good"] > 0.9


def test_candidates_without_a_score_and_axes_without_a_choice_are_left_out() -> None:
    rows = trials(120)
    for row in rows:
        row["axis.idle"] = "a"
    for row in rows[:20]:
        row["error"] = None
    assert set(importance(rows, AXES, COSTS)["error"]) == {"good", "slow"}


def test_few_candidates_say_nothing() -> None:
    assert importance(trials(49), AXES, COSTS) == {}
    assert importance([], AXES, COSTS) == {}


def test_importance_is_quiet_and_leaves_optuna_as_it_was() -> None:
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importance(trials(60), AXES, COSTS)
    assert optuna.logging.get_verbosity() == before


def test_choices_are_counted_once_for_each_architecture() -> None:
    rows: list[Row] = [
        {"key": "x", "axis.a": "1"},
        {"key": "y", "axis.a": "2"},
        {"key": "y", "axis.a": "2"},
        {"key": "z", "axis.a": "2"},
    ]
    assert frequency(rows, {"a": ["1", "2", "3"]}, ["y"]) == {"a": [(0, 1), (1, 2), (0, 0)]}
