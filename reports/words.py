"""Sentences about a run: how far it is, and what is missing and how it is to be had."""

from __future__ import annotations

import shlex

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


def plural(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
