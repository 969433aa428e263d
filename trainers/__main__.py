"""The command: trains a network or a supernet, judges one, tells the recipes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from search_spaces.backbones import BACKBONES
from search_spaces.known import KNOWN
from search_spaces.spaces import SPACES
from trainers import commands
from trainers.data.sets import DATA_SETS

EXAMPLES = """examples:
  python -m trainers recipes
  python -m trainers train groupnet-k3 --out k3
  python -m trainers train "resnet8 | 2x3 mean | 1x2 gate" \\
      --data fashion-mnist --data-dir data --recipe fast --out mine
  python -m trainers evaluate mine --data-dir data
  python -m trainers export mine --data-dir data -o mine.bnn
  python -m trainers supernet groupnet --backbone digits --out super
  python -m trainers bench step

With --out Ctrl-C ends a training at a checkpoint; the same command goes on
from it."""


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
    parser = argparse.ArgumentParser(
        "python -m trainers", None, __doc__, EXAMPLES, formatter_class=plain
    )
    sub = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    told = sub.add_parser("recipes", help="those that have names, in words")
    told.set_defaults(command=commands.recipes)
    told.add_argument("--images", type=_a_count, default=50_000, help="to train on (%(default)s)")

    one = sub.add_parser("train", help="one network")
    one.set_defaults(command=commands.train)
    one.add_argument("arch", metavar="ARCH", help=f"a line, JSON, or one of {', '.join(KNOWN)}")
    _training(one)

    every = sub.add_parser("supernet", help="all networks of a space in one")
    every.set_defaults(command=commands.supernet)
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

    judged = sub.add_parser("evaluate", help="a trained network, on the test split")
    judged.set_defaults(command=commands.evaluate)
    judged.add_argument("home", type=Path, metavar="DIR", help="what --out was")
    judged.add_argument("--data-dir", type=Path, metavar="DIR", help="where the images are")
    judged.add_argument(
        "--model", type=Path, metavar="FILE", help="its packed file: are the decisions the same?"
    )
    judged.add_argument("--threads", type=_a_count, metavar="N", help="of the CPU (all)")

    out = sub.add_parser("export", help="a trained network, packed into a file that runs")
    out.set_defaults(command=commands.export)
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

    timed = sub.add_parser("bench", help="how long things take, beside how others do them")
    timed.set_defaults(command=commands.bench)
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
    timed.add_argument(
        "--device", default="cpu", metavar="NAME", help="for programs, or cuda (%(default)s)"
    )
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


if __name__ == "__main__":
    sys.exit(main())
