"""What lies in the folder of a training that ended, and how its lines are written."""

from __future__ import annotations

import shlex
from pathlib import Path

from kernels.engine import Engine
from kernels.timing import Timing
from nas.times.whole import timed
from trainers.job import Job
from trainers.learning.recipes import describe

RESULT, PACKED = "result.json", "model.bnn"


def measured(engine: Engine) -> Timing:
    """As the front of a search is measured, with nothing else of ours running."""
    *_, found = timed({"it": engine})
    return found["it"]


def schedule(job: Job) -> str:
    """In a line, without the recipe's name."""
    said = describe(job.recipe, len(job.data.train)).removeprefix(f"{job.recipe.name}: ")
    return "; ".join(line.strip() for line in said.splitlines())


def packed_of(home: Path) -> Path:
    """The packed file of a pick, or an error that says how it is made."""
    if not (home / PACKED).exists():
        run, key = shlex.quote(str(home.parents[1])), home.name.partition("-s")[0]
        raise ValueError(
            f"{home.name} is not retrained yet; `python -m nas.retrain {run} --pick {key}` does it"
        )
    return home / PACKED
