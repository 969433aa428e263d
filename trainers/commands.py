"""What the commands do. Torch takes a second to import, so only what trains or judges does it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.known import KNOWN, find_arch
from search_spaces.space import Space
from search_spaces.spaces import find_space
from search_spaces.text import to_text


def recipes(args: argparse.Namespace) -> None:
    from trainers.learning.recipes import RECIPES, describe

    for recipe in RECIPES.values():
        print(describe(recipe, args.images))


def _job(args: argparse.Namespace) -> Any:
    """Torch takes a second to import, so only what trains does."""
    from trainers.asked import Asked
    from trainers.learning.recipes import describe

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "this command trains in one process; started as one of several, each would train alone "
            "(trainers.learning.ranks.started_together is what a program of your own wants)"
        )
    job = Asked(
        data=args.data,
        data_dir=args.data_dir,
        recipe=args.recipe,
        epochs=args.epochs,
        seed=args.seed,
        device=args.device,
        precision=args.precision,
        threads=args.threads,
        home=args.out,
    ).job()
    print(describe(job.recipe, len(job.data.train)))
    if args.out is None:
        print("nothing is kept of this training, and nothing can go on from it: name a --out DIR")
    return job


def train(args: argparse.Namespace) -> None:
    from trainers.job import fresh, is_kept, kept, spent, teacher_of, train_one, usual_backbone
    from trainers.learning.score import score

    usual = usual_backbone(args.data) if args.arch in KNOWN else None
    arch = find_arch(args.arch, args.backbone or usual)
    job = _job(args)
    net = fresh(arch, job)
    teacher = None if args.teacher is None else teacher_of(args.teacher, job)
    seconds = _watched(train_one(arch, net, job, teacher))
    found = score(net, job.task, job.data.selection, device=job.device)
    print(f"{arch.key}  selection {job.task.metric} {found.share:.2%} of {found.count:,} images")
    if args.out is not None:
        if seconds or not is_kept(args.out):
            took = seconds or spent(args.out)
            kept(args.out, arch, net, job, {"selection": asdict(found), "seconds": took})
        where = "" if args.data_dir is None else f" --data-dir {args.data_dir}"
        print(f"to judge it: python -m trainers evaluate {args.out}{where}")


def supernet(args: argparse.Namespace) -> None:
    from trainers.asked import space_for
    from trainers.job import (
        candidate,
        is_kept,
        kept_supernet,
        new_supernet,
        spent,
        teacher_of,
        train_supernet,
    )
    from trainers.learning.sandwich import Sampling

    job = _job(args)
    space = space_for(args.space, args.backbone, job)
    net, drawn = new_supernet(space, job, Sampling(others=args.others, widening=args.widening))
    teacher = None if args.teacher is None else teacher_of(args.teacher, job)
    seconds = _watched(train_supernet(net, drawn, job, teacher))
    scores = {}
    for what, arch in (("largest", drawn.largest), ("smallest", drawn.smallest)):
        found = candidate(net, arch, job, job.data.selection)
        scores[what] = {"arch": to_text(arch), **asdict(found)}
        print(f"{what:9} {arch.key}  selection {job.task.metric} {found.share:.2%}")
    if args.out is not None and (seconds or not is_kept(args.out)):
        took = seconds or spent(args.out)
        kept_supernet(args.out, net, drawn, job, {"selection": scores, "seconds": took})


def _watched(steps: Generator[Any]) -> float:
    """A line that moves on a terminal, and one in a while elsewhere.

    Returns the seconds that all steps took, those of earlier calls too; 0 if none was left to do.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    from kernels.progress import spoken
    from trainers.learning.stop import asked_to_stop

    console, started, said = Console(stderr=True), time.monotonic(), time.monotonic()
    spent = 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), Left())
    with asked_to_stop() as asked, Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)
        for n, at in enumerate(steps, 1):
            what = f"{at.stage} {at.step:,}/{at.steps:,} loss {at.loss:.3f} rate {at.rate:.2g}"
            bar.update(task, description=what, completed=at.step, total=at.steps)
            if not console.is_terminal and time.monotonic() - said > 30:
                said = time.monotonic()
                left = (said - started) / n * (at.steps - at.step)
                print(f"{what}, {spoken(left)} left", file=sys.stderr)
            if asked():
                steps.close()  # writes a checkpoint
                raise KeyboardInterrupt
            spent = at.spent
    return spent


def evaluate(args: argparse.Namespace) -> None:
    import torch

    from trainers.data.sets import load_test
    from trainers.job import put, trained
    from trainers.learning.score import score

    if args.threads:
        torch.set_num_threads(args.threads)
    found = trained(args.home)
    test = load_test(found.data, args.data_dir)
    if list(test.classes) != (learnt := found.result["data"]["classes"]):
        raise ValueError(
            f"{args.home} was trained on the classes {', '.join(learnt)}; "
            f"the test split has {', '.join(test.classes)}"
        )
    result = score(found.network, found.task, test.images)
    print(
        f"{found.arch.key}  test {found.task.metric} {result.share:.2%} of {result.count:,} images"
    )
    put(found.file, {**found.result, "test": asdict(result)})
    if args.model is not None:
        from kernels import model
        from kernels.engine import Engine
        from trainers.export import compared

        engine = Engine(model.load(args.model)[0], measured=False)
        every = np.array_split(np.arange(len(test.images)), -(-len(test.images) // 100))
        batches = (test.images.take(part) for part in every)
        print(f"{args.model}  {compared(found.network, engine, found.task, batches)}")


def export(args: argparse.Namespace) -> None:
    import torch

    from kernels.engine import Engine
    from kernels.stem import with_stem
    from trainers.export import about, compared, packed, written
    from trainers.job import trained

    if args.threads:
        torch.set_num_threads(args.threads)
    found = trained(args.home)
    what, images = _to_compare_on(found, args.data_dir)
    count = min(args.images, len(images))
    program = packed(found.network, found.task)
    if args.stem == "pixels":
        program = with_stem(program)
    batches = (images.take(part) for part in np.array_split(np.arange(count), -(-count // 100)))
    agreement = compared(found.network, Engine(program, measured=False), found.task, batches)
    written(program, args.output, about(found), agreement, args.allow)
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")
    print(f"beside torch, on {what}: {agreement}")
    print(f"to see how fast it is: python -m kernels time {args.output}")


def _to_compare_on(found: Any, folder: Path | None) -> tuple[str, Any]:
    """Images to answer, split as they were to train on, and in words which they are."""
    from trainers.data.sets import load

    learnt = found.result["data"]
    seed, held_out = learnt.get("split", found.result["seed"]), learnt.get("held_out", 0.1)
    data = load(found.data, folder, seed=seed, held_out=held_out)
    if data.digest != learnt["digest"]:
        return "images of which it may have learnt from some", data.train
    if not len(data.selection):
        return "training images, as none were held out", data.train
    return "the selection split", data.selection


def bench(args: argparse.Namespace) -> None:
    import torch

    from trainers.benches import steps as benches
    from trainers.benches.programs import programs, programs_on

    whats = {"step": benches.step, "memory": benches.memory, "programs": programs}
    run: Callable[[Space, int, int], Iterator[str]] = whats[args.what]
    if args.device != "cpu":
        if args.what != "programs" or args.threads:
            wrong = "--threads is of the CPU" if args.threads else f"{args.what} runs on the CPU"
            raise ValueError(f"{wrong}; it has no meaning with --device {args.device}")
        run = programs_on(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    batch = args.batch or (1 if args.what == "programs" else 128)
    for line in run(find_space("groupnet", args.backbone), batch, args.rounds):
        print(line, flush=True)
