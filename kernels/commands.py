"""The commands about programs and their ops: profile, show, run, time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kernels.progress import Progress

if TYPE_CHECKING:
    from kernels.ops import Op
    from kernels.profile import Entry, Part, Profile

PROFILE = """\
Measures every op of a list on this machine: random weights, one image at a
time. The file goes wherever the search runs. Here it takes NumPy and this
package, nothing else.

If FILE is there already and is of this machine, this build and these threads,
only what it lacks is measured. Ctrl-C keeps what is done; the same command
goes on.

  python -m search_spaces ops groupnet --backbone resnet20 -o ops.json
  python -m kernels profile ops.json -o pi4.json
"""
TIME = """\
The whole program in one call, and each op as it takes part in it; random
images, time taken in the core. The whole begins with pixels where the file
says how they are normalised; that is in the time of no op, nor in what a
search predicts and measures. With torch installed, beside each convolution and
linear layer stands torch's float32 time for one of that shape.
"""


def profile(asked: argparse.Namespace) -> int:
    from kernels import profile as profiles
    from kernels.op_data import read_ops

    wanted = list(dict.fromkeys(read_ops(asked.ops)))
    if not wanted:
        raise ValueError(f"{asked.ops} has no ops: a profile is of one at least")
    fresh, passes, measure = _measuring(asked)
    found = _begun(asked.output, fresh)
    parts, kept = _left(found, wanted)
    if kept:
        print(f"{kept} of {len(wanted)} ops are in {asked.output} already", file=sys.stderr)
    whole = True
    left = sum(passes * len(p.ops) - profiles.timed(len(p.ops), p.groups) for p in parts)
    bar, done = Progress(left, "measured"), 0
    try:
        for now, times in _measured(found, parts, measure):
            found = now
            profiles.save(found, asked.output)
            if passes > 1 and (part := found.part) is not None:
                bar.what = f"{profiles.pass_of(len(part.ops), part.groups)}, measured"
            bar.at(done := done + times)
    except KeyboardInterrupt:
        whole = False
    bar.end()
    if not (whole or asked.output.exists()):
        print(
            f"kernels: stopped before anything was measured; there is no {asked.output} yet",
            file=sys.stderr,
        )
        return 130
    unsteady = sum(not entry.timing.steady for entry in found.entries.values())
    print(
        f"{asked.output}: {len(found.entries)} ops on {found.machine['cpu']}, {found.threads} "
        f"thread{'s' if found.threads > 1 else ''}, {found.clock_ghz} GHz; {unsteady} unsteady"
        + (f", {found.doubt}" if found.doubt else "")
    )
    if not whole:
        print(
            f"kernels: stopped, {asked.output} has what was done; the same command goes on",
            file=sys.stderr,
        )
    return 0 if whole else 130


Measure = Callable[["Sequence[Op]", int], "Iterator[list[Entry]]"]


def _left(found: Profile, wanted: Sequence[Op]) -> tuple[list[Part], int]:
    """What is still to be measured, first what was stopped; and how many ops are there already."""
    from kernels.profile import Part

    parts = [found.part] if found.part else []
    begun = {op for part in parts for op in part.ops}
    missing = tuple(op for op in wanted if op not in begun and op not in found.entries)
    if missing:
        parts.append(Part(missing, 0))
    return parts, sum(op not in begun and op in found.entries for op in wanted)


def _measured(
    found: Profile, parts: Sequence[Part], measure: Measure
) -> Iterator[tuple[Profile, int]]:
    """After each group what is known, and how many times that group gave."""
    for part in parts:
        for entries in measure(part.ops, part.groups):
            part = replace(part, groups=part.groups + 1)
            found = replace(found.with_entries(entries), part=part)
            yield found, len(entries)
        found = replace(found, part=None)
        yield found, 0


def _measuring(asked: argparse.Namespace) -> tuple[Profile, int, Measure]:
    """A profile of the device with nothing in it yet; how often each op is measured, and how."""
    if asked.device != "cpu":
        from kernels.cuda import commands as gpu
        from kernels.cuda import profile as of_gpu

        device = gpu.opened(asked)

        def run(ops: Sequence[Op], skipped: int) -> Iterator[list[Entry]]:
            return of_gpu.measure(ops[skipped * of_gpu.GROUP :], device, asked.rounds)

        return of_gpu.empty(device), 1, run
    from kernels import profile as profiles
    from kernels.profile import Asked

    how = Asked(threads=asked.threads, isa=asked.isa, rounds=asked.rounds)

    def measure(ops: Sequence[Op], skipped: int) -> Iterator[list[Entry]]:
        return profiles.measure(ops, how, skipped)

    return profiles.empty(how), profiles.PASSES, measure


def _begun(path: Path, fresh: Profile) -> Profile:
    from kernels import profile as profiles

    if not path.exists():
        return fresh
    found = profiles.load(path)
    if not found.same_place(fresh):
        raise ValueError(
            f"{path} is of {_place(found)}; this is {_place(fresh)}: "
            "name another file, or delete that one"
        )
    return found


def _place(of: Profile) -> str:
    isa = "" if of.isa is None else f", {of.isa} alone"
    return f"{of.machine['name']}, core {of.core}, threads {of.threads}{isa}"


def show(asked: argparse.Namespace) -> int:
    from kernels import model

    contents = model.describe(asked.model)
    about = contents.about
    for name, value in (
        ("architecture", about.arch), ("key", about.key), ("made by", about.made_by),
        ("data", about.data), ("created", about.created),
        ("accuracy", None if about.accuracy is None else f"{about.accuracy:.2%}, as claimed"),
        ("labels", None if about.labels is None else ", ".join(about.labels)),
    ):  # fmt: skip
        if value is not None:
            print(f"{name:13} {value}")
    outline = contents.outline
    image, size = outline.values[0], asked.model.stat().st_size
    print(f"{'images':13} {image.height}x{image.width}x{image.channels}")
    print(f"{'file':13} {size:,} bytes, {contents.bytes:,} of them parameters")
    peak, needed = model.peak_bytes(outline), model.needed_bytes(outline)
    print(f"{'memory':13} {peak:,} bytes of values, for an image;", end="")
    print(f" with the kernels' tables about {needed:,}")
    print(f"{'ops':13} {len(outline.nodes)}")
    return 0


def run(asked: argparse.Namespace) -> int:
    import numpy as np

    from kernels import model, picture
    from kernels.engine import Engine

    if asked.top < 1:
        raise ValueError(f"--top is at least 1; got {asked.top}")
    program, about = model.load(asked.model)
    if program.normal is None and not program.pixels:
        raise ValueError(
            f"{asked.model} does not say how pixels are normalised: no picture can be run on it"
        )
    if asked.device == "cpu":
        ready = Engine(program, threads=asked.threads, isa=asked.isa, measured=False).run
    else:
        from kernels.cuda import commands as gpu

        ready = gpu.program(program, 1, gpu.opened(asked), measured=False).run
    for path in asked.pictures:
        logits = ready(picture.read(path, program.image)[None])[0]
        if logits.ndim != 1:
            raise ValueError(f"{asked.model} answers with maps, which cannot be printed")
        odds = np.exp(logits - logits.max())
        odds /= odds.sum()
        best = np.argsort(-odds)[: asked.top]
        names = about.labels or [str(n) for n in range(len(odds))]
        print(f"{path}: {', '.join(f'{names[n]} {odds[n]:.1%}' for n in best)}")
    return 0


def time(asked: argparse.Namespace) -> int:
    from kernels import machine, model
    from kernels.engine import Engine
    from kernels.program_time import measured

    program, about = model.load(asked.model)
    if asked.device != "cpu":
        from kernels.cuda import commands as gpu

        return gpu.time(asked, program, about.arch)
    engine = Engine(program, threads=asked.threads, isa=asked.isa)
    times = measured(engine, asked.batch, asked.rounds, torch=asked.torch)
    many = "1 thread" if asked.threads == 1 else f"{asked.threads} threads"
    print(f"{machine.here()}: {many}, batch {asked.batch}")
    if about.arch:
        print(about.arch)
    if asked.batch > 1 and asked.threads > 1:
        print("whole: a thread for each image; ops: image by image, all threads in each")
    for line in times.lines(engine):
        print(line)
    return 0


def a_file(text: str) -> Path:
    """That may be written: what was measured is not lost for want of a folder."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that is there")
    return path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    raw = argparse.RawDescriptionHelpFormatter
    p = commands.add_parser(
        "profile", help="measure every op of a list", description=PROFILE, formatter_class=raw
    )
    p.add_argument("ops", type=Path, metavar="OPS", help="what `python -m search_spaces ops` wrote")
    p.add_argument("-o", "--output", type=a_file, required=True, metavar="FILE", help="the profile")
    p.add_argument("--rounds", type=int, default=12, help="turns, three times (%(default)s)")
    p.set_defaults(command=profile)
    s = commands.add_parser("show", help="what a packed network is")
    s.set_defaults(command=show)
    r = commands.add_parser("run", help="what a packed network says of pictures")
    r.add_argument("--top", type=int, default=3, metavar="N", help="answers (%(default)s)")
    r.set_defaults(command=run)
    t = commands.add_parser(
        "time", help="how long a packed network takes", description=TIME, formatter_class=raw
    )
    t.add_argument("--batch", type=int, default=1, help="images in a call (%(default)s)")
    t.add_argument("--rounds", type=int, default=20, help="turns (%(default)s)")
    t.add_argument("--no-torch", dest="torch", action="store_false", help="do not time torch")
    t.set_defaults(command=time)
    for command in (s, r, t):
        command.add_argument("model", type=Path, metavar="MODEL", help="a file like model.bnn")
    r.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE", help="PNG, JPEG, .npy ...")
    for command in (p, r, t):
        command.add_argument(
            "--device", default="cpu", metavar="NAME", help="or cuda (%(default)s)"
        )
        command.add_argument("--threads", type=int, default=1, help="(%(default)s)")
        command.add_argument("--isa", help="only this instruction set; `info` lists them")
