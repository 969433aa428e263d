"""Sentences about a run: how far it is, and what is missing and how it is to be had."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from reports.run import Run

_DOING = {
    "profile": "measuring ops",
    "supernet": "training the supernet",
    "explore": "exploring",
    "measure": "measuring the front",
}


def commands(run: Run) -> dict[str, str]:
    """What to type: to do it again or go on, to retrain a pick, and so on."""
    folder = shlex.quote(str(run.folder))
    journal = shlex.quote(str(run.folder / "study.journal"))
    return {
        "search": str(run.about.get("command") or ""),
        "retrain": f"python -m nas.retrain {folder} --pick",
        "fidelity": f"python -m nas.fidelity {folder}",
        "report": f"python -m nas.report {folder}",
        "dashboard": f"optuna-dashboard {journal}",
    }


def state(run: Run) -> str:
    """How far the search is, in a sentence."""
    seen, wanted = len(run.trials), run.asked.get("trials")
    done = {str(phase.get("phase")): bool(phase.get("done")) for phase in run.phases}
    unfinished = [name for name in _DOING if done.get(name) is False]
    if not unfinished and not done.get("explore"):  # between two phases
        order = [*_DOING]
        last = max((order.index(name) for name in order if name in done), default=-1)
        unfinished = [order[last + 1]]
    of = f" of {wanted}" if wanted else ""
    if not run.phases:
        return "The search has hardly begun: no phase of it has been noted yet."
    if not unfinished:
        return f"The search is done: {plural(seen, 'candidate')}{_bad(run)}."
    doing = _DOING[unfinished[0]]
    return (
        f"The search is not done ({doing}): {seen}{of} candidates so far{_bad(run)}. "
        "Its command goes on where it stopped."
    )


def _bad(run: Run) -> str:
    said = []
    for status, what in (("infeasible", "beyond the limits"), ("failed", "failed")):
        count = sum(trial.get("status") == status for trial in run.trials)
        if count:
            said.append(f"{count} {what}")
    return f", {' and '.join(said)}" if said else ""


def missing(run: Run) -> dict[str, str]:
    """For each part of the page that has nothing to show: why, and what fills it."""
    said, go_on = {}, "The search's own command goes on and fills this."
    ok = [trial for trial in run.trials if trial.get("status") == "ok"]
    if not run.trials:
        said["candidates"] = f"No candidate has been scored yet. {go_on}"
    if not run.trials:
        said["front"] = said["candidates"]
    elif not ok:
        said["front"] = _nothing_feasible(run)
    if not any(row.get("measured_ms") is not None for row in (*(run.front or ()), *run.known)):
        said["measured"] = _not_measured(run)
    if run.fidelity is None or not run.fidelity.get("archs"):
        said["fidelity"] = (
            "Whether the supernet ranks architectures as training them alone does was not looked "
            f"at. This does, and takes a while: {commands(run)['fidelity']}"
        )
    if not run.picks:
        said["picks"] = (
            "Nothing was retrained yet. Select an architecture; its card has the command."
        )
    if not run.kernels:
        said["kernels"] = (
            "Binary ops were not timed beside float32 and int8 yet: the phase that measures the "
            f"front does it. {go_on}"
        )
    return said


def _nothing_feasible(run: Run) -> str:
    tried = plural(len(run.trials), "candidate")
    limits = ", ".join(_limits(run)) or "the limits asked for"
    if all(trial.get("status") == "failed" for trial in run.trials):
        return f"All of {tried} failed; the table of candidates says why."
    return (
        f"None of {tried} is within the limits ({limits}), so there is no front. Ask for wider "
        "limits, or look at the table below for how far off they are."
    )


def _limits(run: Run) -> list[str]:
    units = {"max_latency": ("time", "ms"), "max_size": ("size", "bytes")}
    units["max_memory"] = ("memory", "bytes")
    return [
        f"{what} up to {run.asked[name]:g} {unit}"
        for name, (what, unit) in units.items()
        if run.asked.get(name) is not None
    ]


def _not_measured(run: Run) -> str:
    if measured(run):
        return (
            "Whole programs were not timed: the times of ops come from another machine. Copy the "
            "folder there and repeat the search's command, which then measures the front."
        )
    return "Whole programs were not timed yet: the search measures its front when it has found it."


def measured(run: Run) -> bool:
    """Whether the phase that measures the front is done; until then it may be that of before."""
    return any(phase.get("phase") == "measure" and phase.get("done") for phase in run.phases)


def place(run: Run) -> str:
    """Where times were taken: the machine of the profile, which need not be that of the search."""
    machine, threads = _timed_by(run)
    said = [str(machine.get("cpu") or ""), plural(int(threads), "thread") if threads else ""]
    return ", ".join(filter(None, said))


def _timed_by(run: Run) -> tuple[Mapping[str, Any], Any]:
    latency = run.latency or {}
    machine = latency.get("machine") or run.about.get("machine") or {}
    return machine, latency.get("threads") or run.asked.get("threads")


def times(runs: Sequence[Run]) -> str:
    """Of several runs, each with its machine where these differ."""
    places = [place(run) or "a machine that nobody noted" for run in runs]
    if len(set(places)) == 1:
        return f"Times are of one image, on {places[0]}."
    said = (f"{run.name} on {where}" for run, where in zip(runs, places, strict=True))
    return f"Times are of one image: {'; '.join(said)}."


def apart(runs: Sequence[Run]) -> list[str]:
    """Why numbers of these runs do not compare."""
    said, where = [], [_timed_by(run) for run in runs]
    if len({(run.about.get("data") or {}).get("digest") for run in runs}) > 1:
        said.append("These runs are of different data: their accuracies do not compare.")
    if len({machine.get("name") for machine, _ in where}) > 1:
        said.append("The times of these runs are of different machines: they do not compare.")
    elif len({threads for _, threads in where}) > 1:
        said.append("The times of these runs are with different threads: they do not compare.")
    corrected = [run.name for run in runs if run.asked.get("corrected") is not None]
    if 0 < len(corrected) < len(runs):
        said.append(
            f"Accuracies in the search of {', '.join(corrected)} are corrected by what "
            "nas.fidelity learnt, those of the others are the supernet's: they do not compare."
        )
    return said


def plural(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
