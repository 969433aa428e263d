"""The correction that a search goes by: of the run that `--corrected` names."""

from __future__ import annotations

from typing import Any

from kernels import profile
from kernels.profile import Asked, Profile
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
    _same_times(work, run)
    found: dict[str, Any] | None = run.get("fidelity.json").get("correction")
    if found is None:
        raise ValueError(f"{run.home / 'fidelity.json'} has no correction; make it again")
    return Correction(**found)


def _same_times(work: Work, run: Run) -> None:
    """An error where it was fitted with predicted times of another place than this search's."""
    file = run.home / "profile.json"
    ours, theirs = _profile(work), profile.load(file)
    if not theirs.same_place(ours):
        raise ValueError(
            f"{run.home} corrects by times of {_named(theirs)}; this search has those of "
            f"{_named(ours)}. --profile {file} takes them"
        )


def _profile(work: Work) -> Profile:
    """What this search has, or will have, where it measures for itself."""
    known = (work.run.home / "profile.json", work.asked.profile)
    found = next((file for file in known if file is not None and file.exists()), None)
    return (
        profile.empty(Asked(threads=work.asked.threads)) if found is None else profile.load(found)
    )


def _named(of: Profile) -> str:
    return f"{of.machine['name']}, kernels {of.core}, threads {of.threads}"
