"""`python -m kernels`: what this machine can run, and how fast."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kernels import choice, files, isas, machine
from kernels import commands as programs
from kernels.benches import layers, table
from kernels.benches.bench import Plan, bench
from kernels.benches.check import Wrong
from kernels.benches.layers import Layer
from kernels.benches.rows import Outcome, merged
from kernels.commands import a_file
from kernels.ops import Curve, Epilogue, Residual

BENCH = """\
Checks each kernel against the reference, then times it: sign bits in, sign
bits out. All kernels, torch and the limit loop take turns, so that a busy
moment slows all of them.

columns:
  us, ±      the median of a run, and the median distance from it
  limit      share of what xor + popcount + add reaches on registers alone
  of own     with --all: the same for the instruction set of the kernel itself
  x f32 ...  torch's time, at its best setting, over ours: below 1 binary loses
  fused      affine + residual + sign, float32 written too: how much over
             bits alone

Turns that others on this machine disturbed do not count, nor, where enough are
left, those in which others shared the core: another hardware thread of it,
perhaps of another virtual machine. With several threads neither can be told,
and only ± shows it. Torch's times hold its own dispatch, ours are taken inside
the core.

On a GPU (--device cuda) all times are the device's, of CUDA graphs, torch's
too: docs/cuda.md.

examples:
  python -m kernels bench
  python -m kernels bench --layers 64@56,1x1:128@28,3x3s2:64->128@56 --all
  python -m kernels bench --runs 3 --json bench.json
"""

ROUNDS, PATIENCE_S = 20, 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 1 is a wrong kernel, 2 a mistake of the caller, 130 Ctrl-C."""
    asked = _parser().parse_args(argv)
    try:
        status: int = asked.command(asked)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, MemoryError) as mistake:
        print(f"kernels: error: {mistake}", file=sys.stderr)
        return 2
    except Wrong as bug:
        print(f"kernels: a kernel is wrong, and this is a bug: {bug}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kernels: stopped", file=sys.stderr)
        return 130
    return status


def _bench(asked: argparse.Namespace) -> int:
    if asked.device != "cpu":
        from kernels.cuda import commands as gpu

        return gpu.bench(asked)
    plan = Plan(
        layers=asked.layers,
        isa=asked.isa,
        variant=asked.variant,
        threads=asked.threads,
        batch=asked.batch or 1,
        rounds=asked.rounds or ROUNDS,
        runs=asked.runs,
        torch=asked.torch,
        patience_s=PATIENCE_S if asked.patience is None else asked.patience,
        folder=asked.folder,
    )
    screen = table.screen()  # what it lacks is said before anything is measured
    outcomes, complete = _watched(plan)
    report = merged(outcomes)
    if report.rows:
        table.show(report, plan, asked.all, screen)
        if asked.csv:
            files.replace(asked.csv, table.to_csv(report))
        if asked.json:
            files.replace(asked.json, table.to_json(report, plan, complete))
    if not complete:
        done = f"{len(outcomes)} of {len(plan.layers) * plan.runs} layers"
        print(f"kernels: stopped after {done}", file=sys.stderr)
    return 0 if complete else 130


def _watched(plan: Plan) -> tuple[list[Outcome], bool]:
    """Runs the benchmark with a bar on standard error; Ctrl-C ends it with what there is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), Left())
    outcomes: list[Outcome] = []
    names = [str(layer) for layer in plan.layers] * plan.runs
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(names[0], total=len(names))
        try:
            for outcome in bench(plan):
                outcomes.append(outcome)
                following = names[len(outcomes)] if len(outcomes) < len(names) else "done"
                progress.update(task, advance=1, description=following)
        except KeyboardInterrupt:
            return outcomes, False
    return outcomes, True


def _info(asked: argparse.Namespace) -> int:
    here = machine.here()
    print(here.name)
    print(f"  {here.cpu} {here.stepping}, {here.arch}, {here.cores} cores", end="")
    print(f" ({machine.usable_cores()} for this process)")
    print(f"  flags    {' '.join(here.flags) or 'none that matter'}")
    print(f"  system   {here.system}")
    print(f"  versions Python {here.python}, NumPy {here.numpy}, torch {here.torch or 'none'}")
    print(f"  core     {machine.core()}")
    print("  threads  1 unless more are asked for; then a pool of our own")
    print("\ninstruction sets, best first")
    for isa in isas.every():
        print(f"  {isa.name:9} {'runs here' if isa.runs_here else 'not here':10} {isa.about}")
        for name, about in isa.variants:
            print(f"    {name:14} {about}")
    file = choice.path(asked.folder)
    found = choice.read(file)
    ours = sum(one.core == machine.core() for one in found.values())
    others = f"{len(found) - ours} by other builds of the core"
    print(f"\nchosen so far: {ours}, and {others}, in {file}")
    if asked.chosen:
        for one in found.values():
            print(f"  {_chosen(one)}")
    elif found:
        print("  `--chosen` lists them")
    return 0


def _chosen(one: choice.Found) -> str:
    op, there = one.op, choice.in_a_program(one.medians)
    other = "" if there == one.choice else f", in a program {there}"
    old = "" if one.core == machine.core() else ", of another build of the core"
    inputs = "" if op.inputs == 1 else f"inputs {op.inputs}{' own' if op.own else ''} "
    usual = op.dilation * (op.kernel // 2)  # the image keeps its size
    around = "" if op.padding == usual else f" padded {op.padding}"
    rate = f" dilated {op.dilation}" if op.dilation > 1 else ""
    return (
        f"{op.kernel}x{op.kernel} /{op.stride}{rate} {op.channels}->{op.filters} "
        f"@{op.height}x{op.width}{around} {inputs}bases {op.bases} "
        f"{_ending(op.after)} batch {one.batch} "
        f"threads {one.threads}: {one.choice}, {one.medians[one.choice] / 1e3:.1f} us "
        f"of {len(one.medians)} measured{other}{old}"
    )


def _ending(after: Epilogue) -> str:
    """What happens to a sum, in its order, and what is written: relu+sum+one->float32+signs."""
    added, sign = after.residual, "signs" if after.signs == 1 else f"{after.signs} signs"
    outer = after.outer
    steps = [
        *([after.inner] if after.inner is not Curve.NONE else []),
        *(["each"] if added is Residual.EACH else []),
        *(["sum"] if after.sum else []),
        *(["one"] if added is Residual.ONE else []),
        *([f"outer {outer}"] if outer else []),
    ]
    out = [*(["float32"] if after.floats else []), *([sign] if after.signs else [])]
    return "+".join(steps) + "->" + ("+".join(out) or "int32")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kernels", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    about = "check each kernel and time it"
    b = commands.add_parser("bench", help=about, description=BENCH, formatter_class=raw)
    default = layers.parse(layers.DEFAULT)
    b.add_argument(
        "--layers", type=a_layer_list, default=default, metavar="LIST", help=layers.TEACH
    )
    b.add_argument("--isa", type=an_isa, help="only this instruction set; `info` lists them")
    b.add_argument("--variant", type=a_variant, help="only this variant, of any instruction set")
    b.add_argument("--threads", type=a_count, default=1, help="ours and torch's (default 1)")
    about = "images in a run (default 1; on a GPU 1, 32 and 256)"
    b.add_argument("--batch", type=a_count, help=about)
    b.add_argument("--device", default="cpu", metavar="NAME", help="or cuda (%(default)s)")
    b.add_argument("--rounds", type=a_count, help=f"turns for each (default {ROUNDS})")
    b.add_argument("--runs", type=a_count, default=1, help="complete runs, for medians over them")
    about = f"wait so long, for each layer, for others to leave the core (default {PATIENCE_S:g})"
    b.add_argument("--patience", type=float, metavar="SECONDS", help=about)
    b.add_argument("--no-torch", dest="torch", action="store_false", help="do not time torch")
    b.add_argument("--all", action="store_true", help="show every kernel, not only the fastest")
    b.add_argument("--csv", type=a_file, metavar="FILE", help="a row for every kernel measured")
    b.add_argument("--json", type=a_file, metavar="FILE", help="the same, and the machine")
    b.set_defaults(command=_bench)
    about = "the machine, what it can run, and what was chosen"
    i = commands.add_parser("info", help=about, description=about)
    about = "list the kernel that was chosen for each op, and its time"
    i.add_argument("--chosen", action="store_true", help=about)
    i.set_defaults(command=_info)
    programs.add(commands)
    for command in (b, i):
        command.add_argument("--folder", type=Path, help="where the fastest kernels are remembered")
    return parser


def a_layer_list(text: str) -> tuple[Layer, ...]:
    try:
        return layers.parse(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from wrong


def a_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def an_isa(text: str) -> str:
    try:
        return isas.choose(text).name
    except ValueError as lacking:
        raise argparse.ArgumentTypeError(str(lacking)) from lacking


def a_variant(text: str) -> str:
    names = {isa.name: [name for name, _ in isa.variants] for isa in isas.available()}
    if any(text in variants for variants in names.values()):
        return text
    can = "; ".join(f"{isa}: {', '.join(variants)}" for isa, variants in names.items())
    raise argparse.ArgumentTypeError(f"no variant is called {text!r}; this CPU can run {can}")


if __name__ == "__main__":
    sys.exit(main())
