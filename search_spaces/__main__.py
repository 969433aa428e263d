"""The command: which spaces there are, what an architecture is, a space's ops."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import BACKBONES, VARIANTS, find_backbone
from search_spaces.cost import Cost, cost
from search_spaces.drawing import draw
from search_spaces.known import KNOWN, find_arch
from search_spaces.listing import lines, op_data, step_data
from search_spaces.plan import Plan
from search_spaces.planner import plan
from search_spaces.searched import searched
from search_spaces.space import Space
from search_spaces.spaces import SPACES, find_space
from search_spaces.text import to_text

EXAMPLES = """examples:
  python -m search_spaces --backbone resnet18
  python -m search_spaces show "resnet20 | 2x3 mean | 4x2 gate | 3x5 route +0"
  python -m search_spaces show groupnet-k5 --backbone resnet18 --json
  python -m search_spaces ops groupnet --backbone resnet20 -o ops.json

An architecture is its backbone, then its groups: blocks x bases, and what the
branches start from (mean, gate, route) or how else the blocks are built
(layer, real; abc, after blocks x bases x activations). '3*1x5 gate' is three
such groups; '+0' feeds group 0 to a later one too. A space or backbone of your
own is named by its place, package.module:name."""
A_SPACE = f"{', '.join(SPACES)}, or one of your own as package.module:name"


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        args.command(args)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, TypeError, OSError) as error:
        print(f"search_spaces: error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m search_spaces", None, __doc__, EXAMPLES, formatter_class=plain
    )
    parser.set_defaults(command=spaces)
    _on_backbone(parser)
    parser.add_argument("--space", help=f"this one only, with its axes: {A_SPACE}")
    parser.add_argument("--json", action="store_true", help="as JSON")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    one = commands.add_parser("show", help="an architecture: its groups, steps and costs")
    one.set_defaults(command=show)
    one.add_argument("arch", metavar="ARCH", help=f"a line, JSON, or one of {', '.join(KNOWN)}")
    _on_backbone(one)
    _on_images(one)
    one.add_argument("--json", action="store_true", help="as JSON")

    every = commands.add_parser("ops", help="every op that a search of a space wants the time of")
    every.set_defaults(command=ops)
    every.add_argument("space", metavar="SPACE", help=A_SPACE)
    _on_backbone(every)
    _on_images(every)
    every.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: the screen")

    timed = commands.add_parser("bench", help="how fast architectures are drawn and planned")
    timed.set_defaults(command=bench)
    about = f"{A_SPACE} (%(default)s)"
    timed.add_argument("space", metavar="SPACE", nargs="?", default="groupnet", help=about)
    _on_backbone(timed)
    timed.add_argument("--count", type=_a_count, default=10_000, help="architectures (%(default)s)")
    return parser


def _on_backbone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help=f"{', '.join(BACKBONES)}, or one of your own as package.module:name; and variants of "
        f"it, as in resnet20+rsign+w0.5: {', '.join(VARIANTS)}, or w and a width (resnet20)",
    )


def _on_images(parser: argparse.ArgumentParser) -> None:
    for what, help in (("size", "pixels a side"), ("channels", "1 for grey"), ("classes", "")):
        parser.add_argument(f"--{what}", type=_a_count, metavar="N", help=help or "how many")


def _a_count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def spaces(args: argparse.Namespace) -> None:
    name = getattr(args, "backbone", None)
    found = [find_space(space, name) for space in ([args.space] if args.space else SPACES)]
    if args.json:
        print(json.dumps([_space_data(space) for space in found], indent=1))
        return
    for space in found:
        count = space.count()
        bound = "" if count.exact else "at most "
        print(f"{space.name} on {space.backbone.name}")
        print(f"  {space.genomes:,} genomes, {bound}{count.architectures:,} architectures")
        print(f"  ({count.how})")
        for axis in _folded(space):
            print(f"  {axis}")
    if not args.space:
        print(f"known architectures: {', '.join(KNOWN)}")


def _folded(space: Space) -> list[str]:
    """The axes, those that differ only in the number of the block in one line."""
    alike: dict[tuple[str, tuple[str | int, ...]], list[str]] = {}
    for axis in space.axes:
        base = axis.name.rstrip("0123456789")
        alike.setdefault((base, axis.choices), []).append(axis.name)
    return [
        f"{names[0]}{' ... ' + names[-1] if len(names) > 1 else ''}: {', '.join(map(str, choices))}"
        for (_, choices), names in alike.items()
    ]


def _space_data(space: Space) -> dict[str, Any]:
    return {
        "name": space.name,
        "backbone": space.backbone.name,
        "axes": [dataclasses.asdict(axis) for axis in space.axes],
        "genomes": space.genomes,
        **space.count()._asdict(),
    }


def show(args: argparse.Namespace) -> None:
    arch = find_arch(args.arch, getattr(args, "backbone", None))
    backbone = find_backbone(arch.backbone).sized(args.size, args.channels, args.classes)
    steps = plan(arch, backbone)
    costs = cost(steps)
    if args.json:
        print(json.dumps(_arch_data(arch, steps, costs), indent=1))
        return
    print(to_text(arch))
    print(f"key {arch.key}\n")
    for line in draw(arch):
        print(line)
    print()
    for line in lines(steps):
        print(f"  {line}")
    print()
    print(f"BOPs   {costs.bops:>14,}   binary multiply-accumulates")
    print(f"FLOPs  {costs.flops:>14,}   float32 multiply-accumulates")
    print(f"OPs    {costs.ops:>14,.0f}   FLOPs + BOPs / 64")
    print(
        f"weights{costs.weight_bits // 8:>14,}   bytes; {costs.constant_bits // 8:,} of constants"
    )
    print(f"peak   {costs.peak_bytes:>14,}   bytes alive at once, one image, {_sized(backbone)}")


def _sized(backbone: Backbone) -> str:
    return f"{backbone.height}x{backbone.width}x{backbone.channels}"


def _arch_data(arch: Arch, steps: Plan, costs: Cost) -> dict[str, Any]:
    return {
        "key": arch.key,
        "text": to_text(arch),
        "task": arch.task,
        "backbone": arch.backbone,
        "groups": [dataclasses.asdict(group) for group in arch.groups],
        "skips": arch.skips,
        "ops": [op_data(op) for op in steps.ops],
        "steps": [step_data(steps, step) for step in steps.steps],
        "costs": {**dataclasses.asdict(costs), "ops": costs.ops},
    }


def ops(args: argparse.Namespace) -> None:
    space = find_space(args.space, getattr(args, "backbone", None))
    backbone = space.backbone.sized(args.size, args.channels, args.classes)
    found = searched(dataclasses.replace(space, backbone=backbone))
    data = {
        "space": space.name,
        "backbone": backbone.name,
        "image": _sized(backbone),
        "classes": backbone.classes,
        "complete": found.complete,
        "how": found.how,
        "ops": [op_data(op) for op in found.ops],
    }
    if args.output is None:
        print(json.dumps(data, indent=1))
        return
    args.output.write_text(json.dumps(data, indent=1) + "\n")
    images = f"{_sized(backbone)} in {backbone.classes} classes"
    print(f"{args.output}: {len(found.ops)} ops of {space.name} on {backbone.name}, {images}")
    print(found.how)


def bench(args: argparse.Namespace) -> None:
    """Time on one core, in this process, warm: the first few architectures are not counted."""
    space, rng = find_space(args.space, getattr(args, "backbone", None)), Random(0)
    spent = dict.fromkeys(("suggest", "decode", "plan"), 0.0)
    for n in range(-100, args.count):
        times = [time.process_time()]
        genome = space.sample(rng)
        times.append(time.process_time())
        arch = space.decode(genome)
        times.append(time.process_time())
        plan(arch, space.backbone)
        times.append(time.process_time())
        if n >= 0:
            for i, what in enumerate(spent):
                spent[what] += times[i + 1] - times[i]
    for what, seconds in spent.items():
        print(f"{what:8} {seconds:7.3f} s")
    where = f"{args.count:,} architectures of {space.name} on {space.backbone.name}"
    print(f"{'in all':8} {sum(spent.values()):7.3f} s of one core, {where}")


if __name__ == "__main__":
    sys.exit(main())
