"""Does the supernet rank architectures as training them alone does?

    python -m nas.fidelity RUN --archs 20

A sample is trained stand-alone, each by the same recipe. Beside the supernet stand what costs
nothing (counts, predicted time) and the ceiling, a second training with another seed: all of them
are held against the same first one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nas.console.options import run
from nas.ranks.asked import Fidelity

if TYPE_CHECKING:
    from nas.console.screen import Screen

SAYS = """Trains a sample of architectures stand-alone and says how well the supernet ranks them:
Kendall's tau with its interval, over all, in the best third, and within bands of equal time; beside
it what costs nothing, and a second training with another seed, the ceiling; and the supernet
corrected by what it is off for each kind of architecture, which a search can go by.

Half of the sample is spread over the range of predicted time, half is drawn at random. Each
training that ended is kept: the same command goes on, one with more architectures uses it."""

EXAMPLES = """Example:

  python -m nas.fidelity runs/groupnet-fashion-mnist --archs 20 \\
      --recipe fast --epochs 5"""


def fidelity(*, quiet: bool = True, **options: Any) -> dict[str, Any]:
    """As the command does it; what it leaves in fidelity.json."""
    from nas.console.screen import Screen

    return _fidelity(Fidelity(**options), Screen(quiet=quiet))


def _fidelity(asked: Fidelity, screen: Screen) -> dict[str, Any]:
    from nas.phases.existing import asked_of, page_again, work_on
    from nas.phases.work import Stopped
    from nas.ranks.ranking import described, ranking, sampled, table, trainings
    from trainers.learning.stop import asked_to_stop

    search = asked_of(asked.run, data_dir=asked.data_dir, device=asked.device)
    with asked_to_stop() as stopped:
        work = work_on(asked.run, search, screen, stopped)
        with screen.bar("sample") as bar:
            sample = sampled(work, asked.archs, asked.seed, bar)
        every = trainings(work, asked, sample)
        screen.console.print(described(every), markup=False, soft_wrap=True)
        errors = _trained(asked, every, screen, stopped)
        if stopped():
            raise Stopped
    if errors:
        raise ValueError("; ".join(f"{name}: {error}" for name, error in errors.items()))
    found = ranking(sample, every, asked)
    work.run.put("fidelity.json", found)
    screen.table(table(found))
    screen.say("fidelity", str(work.run.home / "fidelity.json"))
    screen.say("corrected", _advice(asked, found))
    page_again(asked.run, screen)
    return found


def _advice(asked: Fidelity, found: dict[str, Any]) -> str:
    """A search goes by the correction only where that ranks better than the supernet alone, and
    better than chance."""
    plain, corrected = found["tau"], found["corrected"]["tau"]
    if corrected is None or (plain is not None and corrected <= plain):
        return "the correction ranks no better than the supernet alone: --corrected gains nothing"
    if corrected <= 0:
        return "the correction ranks no better than chance: --corrected gains nothing"
    return f"a search with --supernet {asked.run} --corrected {asked.run} goes by it"


def _trained(
    asked: Fidelity, every: Sequence[Any], screen: Screen, stopped: Callable[[], bool]
) -> dict[str, str]:
    """By name why it failed, of those that did."""
    from kernels.machine import usable_cores
    from nas.picks.product import RESULT
    from nas.processes.abreast import Means, abreast
    from nas.runs import homes

    with homes.alone([asked.run / "fidelity"]):
        for one in every:
            homes.begun(one.home, one.noted, f"To begin anew, delete {asked.run / 'fidelity'}")
        cuda = every[0].training.device.startswith("cuda")
        means = Means(
            at_once=asked.workers or (1 if cuda else max(1, usable_cores() // asked.threads)),
            cuda=cuda,
            verbose=asked.verbose,
            screen=screen,
            name="fidelity",
            stopped=stopped,
        )
        left = {one.home.name: one for one in every if not (one.home / RESULT).exists()}
        return abreast(left, means) if left else {}


def _does(asked: Fidelity) -> None:
    from nas.console.screen import Screen

    _fidelity(asked, Screen())


def main(argv: Sequence[str] | None = None) -> int:
    return run("nas.fidelity", Fidelity, _does, argv, says=SAYS, examples=EXAMPLES)


if __name__ == "__main__":
    sys.exit(main())
