"""A run that is there, with all that its phases work with: to score as the search did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.console.screen import Screen
from nas.phases.learning import split_of
from nas.phases.work import Work, of_images, of_space, training
from nas.runs.run import Run, same_images, same_space
from nas.runs.settings import Settings
from reports.run import read
from reports.written import report
from trainers.asked import space_for


def asked_of(home: Path, **other: Any) -> Settings:
    """What the search was asked; `other` than that where it is not None."""
    read(home)  # says better than anyone why a folder is no run
    asked = Run(home).asked
    return replace(asked, **{name: value for name, value in other.items() if value is not None})


def page_again(home: Path, screen: Screen) -> None:
    """The report of the run, with what was added to it."""
    screen.say("report", str(report([home])))


def work_on(home: Path, asked: Settings, screen: Screen, stopped: Callable[[], bool]) -> Work:
    """On one thread, as the processes that score: sums of another number round otherwise."""
    seed = split_of(asked)
    job = replace(training(asked, seed), threads=1).job()
    same_images(Run(home), of_images(job.data), "--data-dir names a folder that has them")
    space = space_for(asked.space, asked.backbone, job, asked.usual.backbone)
    same_space(Run(home), of_space(space))
    return Work(Run(home), asked, job, space, seed, screen, stopped)
