"""The command: train one network, train a supernet, judge a network, see the recipes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.backbones import BACKBONES
from search_spaces.known import KNOWN, find_arch
from search_spaces.spaces import SPACES, find_space
from search_spaces.text import to_text
from trainers.data.sets import DATA_SETS

EXAMPLES = """examples:
  python -m trainers recipes
  python -m trainers train groupnet-k3 --out k3
  python -m trainers train "resnet8 | 2x3 mean | 1x2 gate" --data fashion-mnist --data-dir data \\
      --recipe fast --out mine
  python -m trainers evaluate mine --data-dir data
  python -m trainers export mine --data-dir data -o mine.bnn
  python -m trainers supernet groupnet --backbone digits --recipe smoke --out super
  python -m trainers bench step

Ctrl-C ends a training at a checkpoint; the same command goes on from it."""


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except KeyboardInterrupt:
        how = {True: "; the same command goes on from here", False: "; kept only with --out"}
        kept = how[args.out is not None] if "out" in args else ""
        print(f"trainers: stopped{kept}", file=sys.stderr)
        return 130
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        print(f"trainers: error: the device has too little memory: {error}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError) as error:
        print(f"trainers: error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("trainers", None, __doc__, EXAMPLES, formatter_class=plain)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    told = commands.add_parser("recipes", help="those that have names, in words")
    told.set_defaults(command=recipes)
    told.add_argument("--images", type=_a_count, default=50_000, help="to train on (%(default)s)")

    one = commands.add_parser("train", help="one network")
    one.set_defaults(command=train)
    one.add_argument("arch", metavar="ARCH", help=f"a line, JSON, or one of {', '.join(KNOWN)}")
    _training(one)

    every = commands.add_parser("supernet", help="all networks of a space in one")
    every.set_defaults(command=supernet)
    every.add_argument("space", metavar="SPACE", help=f"one of {', '.join(SPACES)}, or your own")
    every.add_argument(
        "--others", type=int, default=2, metavar="N", help="at random, each step (%(default)s)"
    )
    every.add_argument(
        "--widening",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the training, in which what is drawn grows from the largest on (%(default)s)",
    )
    _training(every)

    judged = commands.add_parser("evaluate", help="a trained network, on the test split")
    judged.set_defaults(command=evaluate)
    judged.add_argument("home", type=Path, metavar="DIR", help="what --out was")
    judged.add_argument("--data-dir", type=Path, metavar="DIR", help="where the images are")
    judged.add_argument(
        "--model", type=Path, metavar="FILE", help="its packed file: are the decisions the same?"
    )
    judged.add_argument("--threads", type=_a_count, metavar="N", help="of the CPU (all)")

    out = commands.add_parser("export", help="a trained network, packed into a file that runs")
    out.set_defaults(command=export)
    out.add_argument("home", type=Path, metavar="DIR", help="what --out was")
    out.add_argument("--data-dir", type=Path, metavar="DIR", help="where the images are")
    out.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="model.bnn")
    out.add_argument(
        "--images", type=_a_count, default=1000, help="to compare decisions on (%(default)s)"
    )
    out.add_argument(
        "--allow",
        type=float,
        default=0.002,
        metavar="SHARE",
        help="of the decisions may differ from the network's, or nothing is written (%(default)s)",
    )
    out.add_argument(
        "--stem",
        choices=("pixels", "float32"),
        default="float32",
        help="what the first convolution computes on; pixels are faster where it is large, and "
        "round its weights to 16 bits (%(default)s)",
    )
    out.add_argument("--threads", type=_a_count, metavar="N", help="of the CPU (all)")

    timed = commands.add_parser("bench", help="how long things take, beside how others do them")
    timed.set_defaults(command=bench)
    timed.add_argument(
        "what",
        choices=("step", "memory", "programs"),
        help="a step of a supernet; memory over 1,000 evaluations; whole packed programs",
    )
    timed.add_argument("--backbone", default="resnet20", metavar="NAME", help="(%(default)s)")
    timed.add_argument(
        "--batch", type=_a_count, metavar="N", help="images at once (programs 1, else 128)"
    )
    timed.add_argument("--rounds", type=_a_count, default=3, help="(%(default)s)")
    timed.add_argument("--threads", type=_a_count, metavar="N", help="of the CPU (all)")
    return parser


def _training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", metavar="NAME", help=f"one of {', '.join(BACKBONES)}")
    parser.add_argument(
        "--data", default="digits", metavar="NAME", help=f"one of {', '.join(DATA_SETS)}, your own"
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where its files are")
    parser.add_argument("--recipe", default="smoke", metavar="NAME", help="(%(default)s)")
    parser.add_argument(
        "--epochs", type=_a_length, metavar="N", help="another length, as proportioned"
    )
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--threads", type=_a_count, metavar="N", help="of the CPU (all)")
    parser.add_argument(
        "--teacher", type=Path, metavar="DIR", help="a trained network, for recipes that distil"
    )
    parser.add_argument("--device", default="cpu", metavar="NAME", help="or cuda (%(default)s)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bf16"),
        default="float32",
        help="bf16 pays where the machine multiplies it: GPUs, CPUs with AMX (%(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep it, and go on from it")


def _a_count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _a_length(text: str) -> float:
    try:
        if 0 < float(text) < float("inf"):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def recipes(args: argparse.Namespace) -> None:
    from trainers.recipes import RECIPES, describe

    for recipe in RECIPES.values():
        print(describe(recipe, args.images))


def _job(args: argparse.Namespace) -> Any:
    """Torch takes a second to import, so only what trains does."""
    from trainers.asked import Asked
    from trainers.recipes import describe

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "this command trains in one process; started as one of several, each would train alone "
            "(trainers.ranks.started_together is what a program of your own wants)"
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
    return job


def train(args: argparse.Namespace) -> None:
    from trainers.job import fresh, kept, teacher_of, train_one, usual_backbone
    from trainers.score import score

    usual = usual_backbone(args.data) if args.arch in KNOWN else None
    arch = find_arch(args.arch, args.backbone or usual)
    job = _job(args)
    net = fresh(arch, job)
    teacher = None if args.teacher is None else teacher_of(args.teacher, job)
    seconds = _watched(train_one(arch, net, job, teacher))
    found = score(net, job.task, job.data.selection, device=job.device)
    print(f"{arch.key}  selection {job.task.metric} {found.share:.2%} of {found.count:,} images")
    if args.out is not None:
        if seconds:
            kept(args.out, arch, net, job, {"selection": asdict(found), "seconds": seconds})
        where = "" if args.data_dir is None else f" --data-dir {args.data_dir}"
        print(f"to judge it: python -m trainers evaluate {args.out}{where}")


def supernet(args: argparse.Namespace) -> None:
    from trainers.asked import space_for
    from trainers.job import candidate, kept_supernet, new_supernet, teacher_of, train_supernet
    from trainers.sandwich import Sampling

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
    if args.out is not None and seconds:
        kept_supernet(args.out, net, drawn, job, {"selection": scores, "seconds": seconds})


def _watched(steps: Generator[Any]) -> float:
    """A line that moves on a terminal, and one in a while elsewhere.

    Returns the seconds that all steps took, those of earlier calls too; 0 if none was left to do.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    from trainers.stop import asked_to_stop

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
                print(f"{what}, {left:.0f} s left", file=sys.stderr)
            if asked():
                steps.close()  # writes a checkpoint
                raise KeyboardInterrupt
            spent = at.spent
    return spent


def evaluate(args: argparse.Namespace) -> None:
    import torch

    from trainers.data.sets import load_test
    from trainers.job import put, trained
    from trainers.score import score

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
    put(args.home / "result.json", {**found.result, "test": asdict(result)})
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
    from trainers.data.sets import load
    from trainers.export import about, compared, packed, written
    from trainers.job import trained

    if args.threads:
        torch.set_num_threads(args.threads)
    found = trained(args.home)
    data = load(found.data, args.data_dir, seed=found.result["seed"])
    images = data.selection
    count = min(args.images, len(images))
    program = packed(found.network, found.task)
    if args.stem == "pixels":
        program = with_stem(program)
    batches = (images.take(part) for part in np.array_split(np.arange(count), -(-count // 100)))
    agreement = compared(found.network, Engine(program, measured=False), found.task, batches)
    written(program, args.output, about(found), agreement, args.allow)
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")
    print(f"beside torch, on the selection split: {agreement}")
    print(f"to see how fast it is: python -m kernels time {args.output}")


def bench(args: argparse.Namespace) -> None:
    import torch

    from trainers import bench as benches

    if args.threads:
        torch.set_num_threads(args.threads)
    from trainers.bench_programs import programs

    run = {"step": benches.step, "memory": benches.memory, "programs": programs}[args.what]
    batch = args.batch or (1 if args.what == "programs" else 128)
    for line in run(find_space("groupnet", args.backbone), batch, args.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
