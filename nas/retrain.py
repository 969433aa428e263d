"""Trains what was picked on all there is to learn from, and packs it: the file that is handed over.

python -m nas.retrain RUN --pick knee
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nas.console.options import run
from nas.picks.asked import Retrain

SAYS = """Trains picks of a run, or any architecture, on the whole training split, by a named
recipe, and packs them.

Leaves RUN/picks/KEY/: the weights, model.bnn, the loss by epoch, and result.json: accuracy in the
search, retrained and packed (on the test split), time predicted and measured, memory, what it cost.
The same command goes on wherever it was stopped or killed."""

EXAMPLES = """Examples. The knee of a run, and what it is compared with, by one recipe:

  python -m nas.retrain runs/groupnet-digits \\
      --pick knee --pick groupnet-k3 --pick real

The most accurate one that is fast enough, for longer:

  python -m nas.retrain runs/clothes --pick "under 2ms" --epochs 200

An architecture without a run:

  python -m nas.retrain --arch "resnet20 | 4x2 mean | 5x3 gate" \\
      --data cifar10 --data-dir data --recipe standard --out mine"""


def retrain(*, quiet: bool = True, **options: Any) -> list[Path]:
    """As the command does it, options with underscores: `retrain(run=Path("runs/a"),
    pick=["knee"])`. The folders of all that were asked for."""
    from nas.console.screen import Screen

    return _retrain(Retrain(**options), Screen(quiet=quiet))


def _retrain(asked: Retrain, screen: Any) -> list[Path]:
    from nas.phases.work import Stopped
    from nas.picks.planned import foreign, noted, planned
    from nas.picks.product import RESULT
    from nas.processes.together import shareable
    from nas.runs import homes
    from trainers.learning.recipes import describe
    from trainers.learning.stop import asked_to_stop

    every = planned(asked)
    for line in (*foreign(asked.run, every), *_untimed(asked.run)):
        screen.say("retrain", line)
    job = every[0].training.job()  # what cannot be done is said before anything is noted
    shareable(job.recipe.batch, asked.training_workers)
    with asked_to_stop() as stopped, homes.alone([one.home for one in every]):
        for one in every:
            homes.begun(one.home, noted(asked, one), INSTEAD)
        left = [one for one in every if not (one.home / RESULT).exists()]
        errors: dict[str, str] = {}
        if left:
            screen.console.print(
                describe(job.recipe, len(job.data.train)), markup=False, soft_wrap=True
            )
            errors = _trained(asked, left, job.recipe.batch, screen, stopped)
        if stopped():
            raise Stopped
    done = [one.home for one in every if (one.home / RESULT).exists()]
    if done:
        _shown(asked, done, screen)
    if errors:
        raise ValueError("; ".join(f"{name}: {error}" for name, error in errors.items()))
    return done


def _untimed(run: Path | None) -> list[str]:
    from nas.phases.profiling import elsewhere
    from nas.runs.run import Run

    why = None if run is None else elsewhere(Run(run), Run(run).asked.threads)
    return [] if why is None else [why]


INSTEAD = "Another --seed gets a folder of its own; to train this one anew, delete its folder"


def _trained(
    asked: Retrain, left: Sequence[Any], batch: int, screen: Any, stopped: Callable[[], bool]
) -> dict[str, str]:
    """By name why it failed, of those that did."""
    from kernels.machine import usable_cores
    from nas.picks.retraining import trained_together
    from nas.processes.abreast import Means, abreast, why
    from nas.processes.together import Together

    cuda, errors = asked.device.startswith("cuda"), dict[str, str]()
    if asked.training_workers > 1:
        for one in left:
            with screen.bar("retrain") as bar:
                how = Together(
                    workers=asked.training_workers,
                    cuda=cuda,
                    verbose=asked.verbose,
                    bar=bar,
                    stopped=stopped,
                )
                try:
                    trained_together(one, batch, how)
                except Exception as error:
                    errors[one.home.name] = why(one.home.name, error)
            if stopped():
                return errors
    means = Means(
        at_once=asked.workers or (1 if cuda else max(1, usable_cores() // (asked.threads or 1))),
        cuda=cuda,
        verbose=asked.verbose,
        screen=screen,
        name="retrain",
        stopped=stopped,
    )
    well = {one.home.name: one for one in left if one.home.name not in errors}
    return errors | (abreast(well, means) if well else {})


def _shown(asked: Retrain, done: Sequence[Path], screen: Any) -> None:
    """A table of what came of it, and the page of the run."""
    from nas.phases.existing import page_again
    from nas.picks.product import RESULT
    from nas.picks.table import table
    from nas.runs.run import read_json

    screen.table(table(done))
    for home in done:
        screen.say("retrain", f"{home}/model.bnn")
        if doubt := read_json(home / RESULT).get("doubt"):
            screen.say("retrain", f"its time: {doubt}")
    if asked.run is not None:
        page_again(asked.run, screen)


def _does(asked: Retrain) -> None:
    from nas.console.screen import Screen

    _retrain(asked, Screen())


def main(argv: Sequence[str] | None = None) -> int:
    return run("nas.retrain", Retrain, _does, argv, says=SAYS, examples=EXAMPLES)


if __name__ == "__main__":
    sys.exit(main())
