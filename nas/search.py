"""Searches binary networks by accuracy and by the time they really take on this machine.

Plan, profile, supernet, explore, measure, report: each phase leaves files in the run's folder. The
same command goes on wherever it was stopped or killed.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nas.runs.run import Run
from nas.runs.settings import PHASES, Settings, settings

if TYPE_CHECKING:
    from nas.phases.work import Work


def search(*, quiet: bool = True, **options: Any) -> Run:
    """As `python -m nas.search` does it, options with underscores: `search(space="groupnet",
    trials=200)`. The run has its `front`, its `trials` and the `known` architectures as tables."""
    from nas.console.screen import Screen

    return _search(settings(options), Screen(quiet=quiet), plan=False)


def _plan(asked: Settings, screen: Any) -> Run:
    """A run that is there with other options stays as it is: this is planned beside it. And where
    nothing can be written, in the folder for what is temporary."""
    from nas.runs.run import otherwise

    may_write = os.access(_there(asked.home), os.W_OK)
    if different := otherwise(asked):
        said = f"{asked.home} was begun with other options: {'; '.join(different)}"
        screen.say("another", f"{said}. This would need another --run")
    elif may_write:
        return _search(asked, screen, plan=True)
    beside = _there(asked.home.absolute().parent) if may_write else None
    with TemporaryDirectory(prefix=".plan-", dir=beside) as folder:
        return _search(replace(asked, run=Path(folder) / "run"), screen, plan=True)


def _search(asked: Settings, screen: Any, *, plan: bool) -> Run:
    from nas.phases.learning import split_of
    from nas.phases.sound import sound
    from nas.phases.work import Work, facts, training
    from nas.runs.run import opened
    from trainers.asked import space_for
    from trainers.learning.stop import asked_to_stop

    seed = split_of(asked)
    home = asked.home / "supernet"
    job = training(asked, seed, home).job()
    space = space_for(asked.space, asked.backbone, job, asked.usual.backbone)
    _room(asked.home)
    with asked_to_stop() as stopped:
        work = Work(Run(asked.home), asked, job, space, seed, screen, stopped)
        new = not work.run.has("run.json")
        if new:
            sound(work)
        with opened(asked, facts(job, space), plan=plan), _logged(work.run, verbose=asked.verbose):
            _phases(work, plan=plan)
        return work.run


def _phases(work: Work, *, plan: bool) -> None:
    if plan:
        _estimated(work)
        return
    if work.asked.until == "plan":
        _planned(work)
        return
    for name in PHASES[1 : PHASES.index(work.asked.until) + 1]:
        if name == "profile" and not work.run.phase("plan")["done"]:
            _planned(work)
        _phase(work, name)
        work.check()
    if work.asked.until == "report":
        _next(work)


def _next(work: Work) -> None:
    from nas.phases.showing import next_command

    command = next_command(work.run)
    if command is not None:
        work.screen.say("next", command)


def _planned(work: Work) -> None:
    with work.run.clocked("plan"):
        _estimated(work)


def _estimated(work: Work) -> None:
    from nas.phases.planning import described, planning

    with work.screen.bar("plan") as bar:
        bar.at(0, 1, "trying a few ops, steps and candidates")
        estimate = planning(work)
        free = shutil.disk_usage(work.run.home).free
        if free < estimate.disk:
            raise OSError(
                f"{work.run.home} has {free:,} bytes left; about {estimate.disk:,.0f} are needed"
            )
    for line in described(work, estimate):
        work.screen.console.print(line, markup=False, soft_wrap=True)


def _phase(work: Work, name: str) -> None:
    """Does what is left of it, and says what came of it."""
    if work.run.phase(name)["done"] and name in _ONCE and _ONCE[name](work):
        return
    if name != "report":  # which says how far the others are
        work.run.note_phase(name, 0.0, done=False)
    with work.run.clocked(name):
        said = _DO[name](work)
    if said:
        work.screen.say(name, said)


def _profile(work: Work) -> str:
    from nas.phases.profiling import profiling

    return profiling(work)


def _supernet(work: Work) -> str:
    from nas.phases.learning import learning
    from nas.phases.limits import possible
    from nas.phases.profiling import latency_of

    possible(work, latency_of(work))
    return learning(work)


def _explore(work: Work) -> str:
    from nas.phases.exploring import exploring

    return exploring(work)


def _measured(work: Work) -> bool:
    from nas.phases.exploring import front_of, known_of, records_of
    from nas.phases.profiling import measured_here
    from nas.phases.standing import stands

    records = records_of(work)
    front, known = front_of(work, records), known_of(work, records)
    return stands(work.run, front, known, here=measured_here(work))


def _measure(work: Work) -> str:
    from nas.phases.exploring import front_of, known_of, records_of, tabled
    from nas.phases.measuring import measuring
    from nas.phases.profiling import measured_here
    from nas.phases.standing import note

    records = records_of(work)
    front, known = front_of(work, records), known_of(work, records)
    tabled(work, records)
    said = measuring(work, front, known)
    note(work.run, front, known, timed=measured_here(work))
    return said


def _report(work: Work) -> str:
    from nas.phases.showing import front_table
    from reports.written import report

    table = front_table(work.run)
    work.screen.table(table)
    said = "* with the supernet's weights, on images held out of training"
    if work.asked.corrected:
        said += f", corrected to what the networks of {work.asked.corrected} came to alone"
    work.screen.say("", said)
    if "beaten" in table.columns[0].cells:
        work.screen.say("", "beaten: by another of the front, once whole programs were measured")
    return f"{report([work.run.home])}"


# Whether a phase that is done has nothing left to do; others are asked each time.
_ONCE: dict[str, Callable[[Work], bool]] = {
    "profile": lambda work: True,
    "supernet": lambda work: True,
    "measure": _measured,
}
_DO: dict[str, Callable[[Work], str]] = {
    "profile": _profile,
    "supernet": _supernet,
    "explore": _explore,
    "measure": _measure,
    "report": _report,
}


def _room(home: Path) -> None:
    """An error before anything is made, where nothing can be written."""
    if not (there := _there(home)).is_dir():
        raise NotADirectoryError(f"{there} is a file; --run is a folder")


def _there(folder: Path) -> Path:
    """It, or the first above it that exists."""
    return next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())


@contextmanager
def _logged(run: Run, *, verbose: bool) -> Iterator[None]:
    """Everything that libraries say, into the run's log; on the screen only if asked."""
    handler = logging.FileHandler(run.home / "log.txt", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(not verbose)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()


def main(argv: list[str] | None = None) -> int:
    from nas.command import run_command
    from nas.console.screen import Screen

    def does(asked: Settings, plan: bool) -> Run:
        return _plan(asked, Screen()) if plan else _search(asked, Screen(), plan=False)

    return run_command(does, argv)


__all__ = ["Run", "main", "search"]

if __name__ == "__main__":
    sys.exit(main())
