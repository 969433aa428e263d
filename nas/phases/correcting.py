"""The correction that a search goes by: of the run that `--corrected` names."""

from __future__ import annotations

from typing import Any

from nas.phases.learning import home_of, supernet_home
from nas.phases.work import Work
from nas.runs.run import Run
from nas.study.corrected import Correction

KEPT = "correction.json"


def correction_of(work: Work) -> Correction | None:
    """What `--corrected RUN` names; an error where it is of other weights than this search's.

    A search that has begun keeps to the one that it began with, whatever is learnt there since.
    """
    if work.asked.corrected is None:
        return None
    if work.run.has(KEPT):
        return Correction(**work.run.get(KEPT))
    run = Run(work.asked.corrected)
    if not run.has("fidelity.json"):
        raise ValueError(f"{run.home} has no fidelity.json; python -m nas.fidelity writes one")
    theirs, ours = supernet_home(run.asked.supernet or run.home), home_of(work)
    if theirs.resolve() != ours.resolve() or run.asked.tune_steps != work.asked.tune_steps:
        raise ValueError(
            f"{run.home} corrects accuracies with the weights in {theirs}, tuned for "
            f"{run.asked.tune_steps} steps; this search has {ours}, {work.asked.tune_steps} steps. "
            f"--supernet {theirs} takes them"
        )
    found: dict[str, Any] | None = run.get("fidelity.json").get("correction")
    if found is None:
        raise ValueError(f"{run.home / 'fidelity.json'} has no correction; make it again")
    return Correction(**found)
