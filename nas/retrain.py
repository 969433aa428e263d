"""Trains what was picked on all there is to learn from, and packs it: the file that is handed over.

python -m nas.retrain RUN --pick knee
"""
# ruff: noqa: RUF009  (`option` and `argument` make fields)

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.terminal import argument, option, run

SAYS = """Trains picks of a run, or any architecture, on the whole training split, by a named
recipe, and packs them.

Leaves RUN/picks/KEY/: the weights, model.bnn, the loss by epoch, and result.json: accuracy in the
search, retrained and packed (on the test split), time predicted and measured, memory, what it cost.
The same command goes on wherever it was stopped or killed."""

EXAMPLES = """Examples. The knee of a run, and what it is compared with, by one recipe:

  python -m nas.retrain runs/groupnet-digits --pick knee --pick groupnet-k3 --pick real

The most accurate one that is fast enough, for longer:

  python -m nas.retrain runs/clothes --pick "under 2ms" --epochs 200

An architecture without a run:

  python -m nas.retrain --arch "resnet20 | 4x2 mean | 5x3 gate" --data cifar10 --data-dir data \\
      --recipe standard --out mine"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain:
    """`from_` scratch, until it is measured that a supernet's weights end higher: what a network
    was in a supernet was fitted to many others, and a schedule that begins there is another one."""

    run: Path | None = argument("its folder", "[RUN]", None)
    pick: list[str] | None = option(
        None,
        'knee, fastest, best, "under 2ms", a key, a known name; more than once',
        metavar="WHAT",
    )
    all: bool = option(False, "of the front, every architecture")
    arch: str | None = option(None, "without a run: its line, or a known name", metavar="LINE")
    data: str | None = option(None, "without a run: a data set's name", metavar="NAME")
    data_dir: Path | None = option(None, "where its files are (as the run has it)", metavar="DIR")
    out: Path | None = option(None, "without a run: the folder to leave it in", metavar="DIR")
    recipe: str | None = option(None, "how it learns (as the run's supernet)", metavar="NAME")
    epochs: float | None = option(None, "another length, as proportioned")
    from_: str = option("scratch", "scratch or supernet: what it begins with")
    seed: int = option(0, "of what is drawn; a second one gets a folder of its own, KEY-sSEED")
    teacher: Path | None = option(
        None, "a trained network, for recipes that distil: another pick's folder", metavar="DIR"
    )
    workers: int | None = option(None, "trainings at once (as many as there are cores)")
    training_workers: int = option(1, "processes that train one together, by Ray Train")
    device: str = option("cpu", "cpu or cuda")
    precision: str = option("float32", "float32 or bf16")
    threads: int | None = option(
        None, "of the CPU for a training (all for one pick; 1 for several)"
    )
    verbose: bool = option(False, "show what Ray says")

    def __post_init__(self) -> None:
        if (self.run is None) == (self.arch is None):
            raise ValueError("a run with --pick, or --arch with --data and --out, is wanted")
        if self.run is None and (self.data is None or self.out is None):
            raise ValueError(
                "--arch wants --data, what to learn from, and --out, where to leave it"
            )
        if self.run is None and (self.pick or self.all):
            raise ValueError("--pick and --all are of a run; got --arch")
        if self.run is not None and (self.data is not None or self.out is not None):
            raise ValueError("a run has its own data and folder; --data and --out go with --arch")
        if self.run is not None and bool(self.pick) == self.all:
            raise ValueError("--pick says which, as in --pick knee; or --all of the front")
        if self.from_ not in ("scratch", "supernet"):
            raise ValueError(f"--from is scratch or supernet; got {self.from_!r}")
        if self.run is None and self.from_ == "supernet":
            raise ValueError("--from supernet wants a run, which has one")
        for name in ("workers", "training_workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name.replace('_', '-')} is at least 1; got {value}")


def retrain(*, quiet: bool = True, **options: Any) -> list[Path]:
    """As the command does it, options with underscores: `retrain(run=Path("runs/a"),
    pick=["knee"])`. The folders of all that were asked for."""
    from nas.screen import Screen

    return _retrain(Retrain(**options), Screen(quiet=quiet))


def _retrain(asked: Retrain, screen: Any) -> list[Path]:
    from nas import homes
    from nas.planned import noted, planned
    from nas.product import RESULT
    from nas.work import Stopped
    from trainers.recipes import describe
    from trainers.stop import asked_to_stop

    every = planned(asked)
    job = every[0].training.job()  # what cannot be done is said before anything is noted
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


INSTEAD = "Another --seed gets a folder of its own; to train this one anew, delete its folder"


def _trained(
    asked: Retrain, left: Sequence[Any], batch: int, screen: Any, stopped: Callable[[], bool]
) -> dict[str, str]:
    """By name why it failed, of those that did."""
    from kernels.machine import usable_cores
    from nas.abreast import Means, abreast
    from nas.retraining import trained_together
    from nas.training import Together

    cuda = asked.device.startswith("cuda")
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
                trained_together(one, batch, how)
            if stopped():
                return {}
    means = Means(
        at_once=asked.workers or (1 if cuda else max(1, usable_cores() // (asked.threads or 1))),
        cuda=cuda,
        verbose=asked.verbose,
        screen=screen,
        name="retrain",
        stopped=stopped,
    )
    return abreast({one.home.name: one for one in left}, means)


def _shown(asked: Retrain, done: Sequence[Path], screen: Any) -> None:
    """A table of what came of it, and the page of the run."""
    from nas.existing import page_again
    from nas.retrained import table

    screen.table(table(done))
    for home in done:
        screen.say("retrain", f"{home}/model.bnn")
    if asked.run is not None:
        page_again(asked.run, screen)


def _does(asked: Retrain) -> None:
    from nas.screen import Screen

    _retrain(asked, Screen())


def main(argv: Sequence[str] | None = None) -> int:
    return run("nas.retrain", Retrain, _does, argv, says=SAYS, examples=EXAMPLES)


if __name__ == "__main__":
    sys.exit(main())
