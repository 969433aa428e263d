"""Candidates as packed programs, each held against its network: kept as they are done.

`measured/KEY.bnn` and `measured/KEY.json` are there from then on until the phase has ended.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kernels import files, model
from kernels.about import About
from kernels.engine import Engine
from nas.phases.learning import home_of
from nas.phases.work import Work
from nas.runs.run import Run, read_json
from nas.study.trial import Trial
from search_spaces.plan import Plan
from search_spaces.text import parse
from trainers.candidates import Candidates, arrays
from trainers.export import Agreement, compared, packed

IMAGES = 1000  # on which a program is held against its network, at most
_KEPT = "measured"


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A program, and what it was held against."""

    plan: Plan
    engine: Engine
    agreement: Agreement | None = None
    same_path: bool | None = None


def checked(work: Work, trials: Sequence[Trial]) -> dict[str, Checked]:
    """By key. Ctrl-C loses the one that is being checked, no other."""
    candidates: Candidates | None = None
    found: dict[str, Checked] = {}
    with work.screen.bar("measure") as bar:
        for n, trial in enumerate(trials, 1):
            key = trial.asked.key
            if key not in found:
                kept = _kept(work, trial)
                if kept is None:
                    if candidates is None:
                        weights = arrays(home_of(work))
                        candidates = Candidates(
                            work.space, work.job, weights, work.asked.tune_steps
                        )
                    kept = _checked(work, trial, candidates)
                found[key] = kept
            bar.at(n, len(trials), f"{n} of {len(trials)} packed, held against torch")
            work.check()
    return found


def forget(run: Run) -> None:
    shutil.rmtree(run.home / _KEPT, ignore_errors=True)


def _checked(work: Work, trial: Trial, candidates: Candidates) -> Checked:
    arch, selection = parse(trial.asked.arch), work.job.data.selection
    indices = np.arange(min(IMAGES, len(selection)))
    net = candidates.network(arch).cpu()  # a copy, where the supernet is elsewhere
    program = packed(net, work.job.task)  # type: ignore[arg-type]
    engine = Engine(program, threads=work.asked.threads)
    parts = np.array_split(indices, -(-len(indices) // 100))
    agreement = compared(net, engine, work.job.task, (selection.take(p) for p in parts))  # type: ignore[arg-type]
    same = candidates.same_path(arch)
    file = _file(work, trial)
    file.parent.mkdir(exist_ok=True)
    model.save(program, file.with_suffix(".bnn"), About(arch=trial.asked.arch, key=arch.key))
    files.replace(file, json.dumps({"agreement": asdict(agreement), "same_path": same}) + "\n")
    return Checked(net.plan, engine, agreement, same)


def _kept(work: Work, trial: Trial) -> Checked | None:
    """What was checked before the phase was interrupted."""
    file = _file(work, trial)
    if not file.exists():  # it is written after the program
        return None
    said, (program, _) = read_json(file), model.load(file.with_suffix(".bnn"))
    engine = Engine(program, threads=work.asked.threads)
    agreement = Agreement(**said["agreement"])
    return Checked(work.plan(parse(trial.asked.arch)), engine, agreement, said["same_path"])


def _file(work: Work, trial: Trial) -> Path:
    return work.run.home / _KEPT / f"{trial.asked.key}.json"
