"""The phase that trains the supernet: here, by several processes, or elsewhere before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.console.screen import spoken
from nas.phases.work import Work, training
from nas.processes.together import Together, shareable, together, told
from nas.runs.run import read_json
from nas.runs.settings import Settings
from trainers.asked import Asked, space_for
from trainers.job import kept_supernet, new_supernet, put, train_supernet
from trainers.learning.sandwich import Sampling
from trainers.learning.train import Progress

WEIGHTS = "model.safetensors"


def home_of(work: Work) -> Path:
    """Where the weights are, or will be."""
    if work.asked.supernet is None:
        return work.run.home / "supernet"
    return supernet_home(work.asked.supernet)


def supernet_home(given: Path) -> Path:
    """Of a run, or what `python -m trainers supernet --out` wrote."""
    for home in (given / "supernet", given):
        if (home / WEIGHTS).exists() and (home / "result.json").exists():
            return home
    raise ValueError(f"{given} has no supernet: no {WEIGHTS} with a result.json beside it")


def seed_of(given: Path) -> int:
    """With which the supernet was trained, and its images split."""
    return int(read_json(supernet_home(given) / "result.json")["seed"])


def split_of(asked: Settings) -> int:
    """The seed with which the images are split, and the supernet is trained: its own, where it
    comes from elsewhere."""
    return asked.seed if asked.supernet is None else seed_of(asked.supernet)


def learning(work: Work) -> str:
    """Leaves supernet/model.safetensors, unless one was given."""
    home = home_of(work)
    if work.asked.supernet is not None:
        return _found(work, home)
    if work.asked.training_workers > 1:
        _trained_together(work, home)
    else:
        _trained(work)
    result = read_json(home / "result.json")
    if "steps" not in result:
        return f"trained; its weights are in {home}"
    return f"{result['steps']:,} steps in {spoken(result['seconds'])}, loss {result['loss']:.3f}"


def sampling(work: Work) -> Sampling:
    return Sampling(others=work.asked.others, widening=work.asked.widening)


def _trained(work: Work) -> None:
    net, drawn = new_supernet(work.space, work.job, sampling(work))
    steps = train_supernet(net, drawn, work.job)
    last = _watched(work, steps)
    _kept(work, net, drawn, last)


def _trained_together(work: Work, home: Path) -> None:
    workers = work.asked.training_workers
    shareable(work.job.recipe.batch, workers)
    asked = training(work.asked, work.seed, home.absolute())
    config = {
        "training": replace(asked, threads=None if work.asked.address else 1),
        "space": work.asked.space,
        "backbone": work.backbone,
        "sampling": sampling(work),
    }
    with work.screen.bar("supernet") as bar:
        how = Together(
            workers=workers,
            address=work.asked.address,
            cuda=work.asked.device.startswith("cuda"),
            verbose=work.asked.verbose,
            bar=bar,
            stopped=work.stopped,
        )
        together(_learns, config, how)
    work.check()
    # Nothing is left to learn: the checkpoint of the last step gives the weights.
    net, drawn = new_supernet(work.space, work.job, sampling(work))
    _watched(work, train_supernet(net, drawn, work.job))
    _kept(work, net, drawn, None)


def _learns(config: dict[str, Any]) -> None:
    asked: Asked = config["training"]
    how: Sampling = config["sampling"]
    job = asked.job()
    net, drawn = new_supernet(space_for(config["space"], config["backbone"], job), job, how)
    told(train_supernet(net, drawn, job), config["board"], lambda at: _note(job.home, at))


def _note(home: Path | None, at: Progress) -> None:
    """What the last step came to, for who writes the weights down."""
    if at.step == at.steps and home is not None:
        put(home / "last.json", {"steps": at.steps, "seconds": at.spent, "loss": at.loss})


def _watched(work: Work, steps: Iterator[Progress]) -> Progress | None:
    """Shows it, and stops it between two steps: closing writes a checkpoint. None: all was done."""
    last = None
    with work.screen.bar("supernet") as bar:
        for last in steps:
            bar.at(
                last.step, last.steps, f"step {last.step:,} of {last.steps:,}, loss {last.loss:.3f}"
            )
            if work.stopped():
                steps.close()  # type: ignore[attr-defined]
                work.check()
    return last


def _kept(work: Work, net: Any, drawn: Any, last: Progress | None) -> None:
    """A training that ended just before it could be written down has no last step any more."""
    home = home_of(work)
    before = home / "last.json"
    if last is not None:
        put(before, {"steps": last.steps, "seconds": last.spent, "loss": last.loss})
    kept_supernet(home, net, drawn, work.job, read_json(before) if before.exists() else {})


def fits(work: Work) -> dict[str, Any]:
    """What is said of the supernet that was given; an error where it is of another search."""
    home = home_of(work)
    result: dict[str, Any] = read_json(home / "result.json")
    wanted = (work.space.name, work.backbone)
    theirs = (result.get("space"), result.get("backbone"))
    if theirs != wanted:
        raise ValueError(
            f"the supernet in {home} is of {theirs[0]} on {theirs[1]}; "
            f"this is {wanted[0]} on {wanted[1]}"
        )
    binarizer = result["recipe"]["binarizer"]
    if binarizer != work.job.recipe.binarizer:
        raise ValueError(
            f"the supernet in {home} learnt with the binarizer {binarizer!r}; recipe "
            f"{work.job.recipe.name} is with {work.job.recipe.binarizer!r}"
        )
    ours, seen = work.job.data.digest, result["data"]["digest"]
    if seen != ours:
        raise ValueError(
            f"the supernet in {home} learnt from {result['data']['name']} ({seen}); this is "
            f"{work.job.data.name} ({ours}): what it is judged by may be what it has seen"
        )
    return result


def _found(work: Work, home: Path) -> str:
    result = fits(work)
    took = f", {spoken(result['seconds'])} of training" if "seconds" in result else ""
    return f"{home}{took}"
