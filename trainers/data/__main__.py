"""The command: which data sets there are, what is in one; it fetches their files."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from trainers.data.broken import broken
from trainers.data.fetch import fetch
from trainers.data.images import Images
from trainers.data.official import OFFICIAL
from trainers.data.sets import DATA_SETS, check_test, load, read_part

EXAMPLES = """examples:
  python -m trainers.data list
  python -m trainers.data fetch fashion-mnist --data-dir data
  python -m trainers.data show fashion-mnist --data-dir data
  python -m trainers.data show imagefolder:64 --data-dir my/photos --check

A data set of your own is named by its place, package.module:name
(docs/data.md)."""


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        args.command(args)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("trainers.data: stopped", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError) as error:
        print(f"trainers.data: error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m trainers.data", None, __doc__, EXAMPLES, formatter_class=plain
    )
    parser.set_defaults(command=show_all)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("list", help="the data sets that have names")

    one = commands.add_parser("show", help="read a data set and tell what is in it")
    one.set_defaults(command=show)
    one.add_argument("name", metavar="NAME", help=f"one of {', '.join(DATA_SETS)}, or your own")
    one.add_argument("--data-dir", type=Path, metavar="DIR", help="where its files are")
    one.add_argument("--seed", type=int, default=0, help="of the split (%(default)s)")
    one.add_argument(
        "--held-out", type=float, default=0.1, metavar="SHARE", help="to choose by (%(default)s)"
    )
    one.add_argument(
        "--check",
        action="store_true",
        help="decode every image to learn from, and list broken ones",
    )

    bring = commands.add_parser("fetch", help="bring the official files")
    bring.set_defaults(command=fetch_one)
    bring.add_argument("name", metavar="NAME", help=f"one of {', '.join(OFFICIAL)}")
    bring.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="they go to DIR/NAME"
    )
    bring.add_argument("--base", metavar="URL", help="a mirror, instead of the official address")
    return parser


def show_all(args: argparse.Namespace) -> None:
    for name, source in DATA_SETS.items():
        print(name)
        print(f"  {source.about}")
        print(f"  files  {source.files}")
        print(f"  from   {source.origin}")


def show(args: argparse.Namespace) -> None:
    if args.check:
        check(args)
    found = load(args.name, args.data_dir, seed=args.seed, held_out=args.held_out)
    height, width, channels = found.train.shape
    print(f"{found.name}  {height}x{width}x{channels}  digest {found.digest}")
    print(f"mean  {_numbers(found.mean)}\nstd   {_numbers(found.std)}  (of 0 to 1)\n")
    wide = max(map(len, found.classes))
    train, selection = _counts(found.train), _counts(found.selection)
    print(f"{'':{wide}} {'train':>9} {'selection':>9}")
    for number, name in enumerate(found.classes):
        print(f"{name:{wide}} {train[number]:9,} {selection[number]:9,}")
    print(f"{'':{wide}} {len(found.train):9,} {len(found.selection):9,}")
    try:
        check_test(args.name, args.data_dir)
    except (ValueError, OSError) as error:
        print(f"trainers.data: warning: nas.retrain will refuse it: {error}", file=sys.stderr)


def check(args: argparse.Namespace) -> None:
    """Not those to test with: they are opened once, at the end."""
    images = read_part(args.name, args.data_dir, "train").images
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("reading images", total=len(images))
        found = broken(images, lambda done: progress.update(task, completed=done))
    for line in found:
        print(line)
    if found:
        raise ValueError(f"{len(found):,} of {len(images):,} images of {args.name} are broken")
    print(f"{len(images):,} images to learn from were read, and none is broken\n")


def fetch_one(args: argparse.Namespace) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def report(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total)
            progress.update(tasks[file], completed=done)

        home = fetch(args.name, args.data_dir, args.base, report)
    print(f"{args.name} is in {home}")


def _counts(images: Images) -> Counter[int]:
    return Counter(images.labels.tolist())


def _numbers(values: Sequence[float]) -> str:
    return "  ".join(f"{value:.4f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
