"""What a packed file is worth: accuracy on the test split, time, memory, what it takes for what.

    python -m nas.evaluate model.bnn --data digits

The kernels run it; torch is not imported and need not be installed.
"""
# ruff: noqa: RUF009  (`option` and `argument` make fields)

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels import case, gate, memory, model, profile
from kernels.about import About
from kernels.cuda.device import index_of, open_device
from kernels.cuda.launch import Device
from kernels.engine import Engine
from kernels.program import Program
from kernels.timing import Timing
from nas.console.options import argument, option, run
from nas.picks.judging import BATCH, decided, part_to_test
from nas.times.whole import timed
from trainers.data.images import Images

SAYS = """Runs a packed file on the test split of its data, by the kernels: accuracy, time, memory,
and which classes it takes for which. Torch is not needed."""

EXAMPLES = """Example:

  python -m nas.evaluate runs/groupnet-digits/picks/15569d5ea338/model.bnn \\
      --data digits"""

MOST = 20  # classes of a whole table; of more, the pairs that are confused most often
PAIRS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    model: Path = argument("a packed network", "MODEL.bnn")
    data: str = option("digits", "a data set's name, or package.module:name", metavar="NAME")
    data_dir: Path | None = option(None, "where its files are", metavar="DIR")
    threads: int = option(1, "of the CPU, for one image")
    device: str = option("cpu", "cpu, or cuda")

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads is at least 1; got {self.threads}")
        if self.device != "cpu":
            index_of(self.device)
            if self.threads != 1:
                raise ValueError(f"threads are of the CPU; got {self.threads} for {self.device}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """`confusion`: a row for each class as it is labelled, a column for each as it is decided.

    took          one image, `on` so many threads or a GPU
    apart         images that a GPU decides otherwise than this CPU: there should be none
    memory_bytes  of values while it runs, for one image
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    took: Timing
    on: str
    apart: int | None
    memory_bytes: int
    file_bytes: int
    about: About

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion)) / self.count


def evaluate(
    file: Path,
    data: str,
    data_dir: Path | None = None,
    *,
    threads: int = 1,
    device: str = "cpu",
) -> Evaluation:
    program, about = model.load(file)
    gpu = None if device == "cpu" else open_device(device)
    test = part_to_test(data, data_dir, about.labels, str(file))
    _fitting(file, program, data, test.images.shape, len(test.classes))
    engine = Engine(program, threads=threads, measured=gpu is None)
    ours, apart = decided(engine, test.images), None
    if gpu is None:
        *_, times = timed({"it": engine})
        took, on = times["it"], "1 thread" if threads == 1 else f"{threads} threads"
    else:
        on_cpu = ours
        ours, took = _by_gpu(program, gpu, test.images)
        on, apart = gpu.name, int((ours != on_cpu).sum())
    labels = test.images.labels
    confusion = np.zeros((len(test.classes),) * 2, np.int64)
    np.add.at(confusion, (labels, ours), 1)
    alive = memory.lives(program.values, program.nodes, program.output)
    return Evaluation(
        classes=test.classes,
        confusion=confusion,
        took=took,
        on=on,
        apart=apart,
        memory_bytes=memory.layout(alive).bytes,
        file_bytes=file.stat().st_size,
        about=about,
    )


def _by_gpu(program: Program, device: Device, images: Images) -> tuple[NDArray[np.int64], Timing]:
    """What it decides there, and its time for one image that lies there already."""
    from kernels.cuda import commands

    many = commands.program(program, BATCH, device, measured=False)
    one = commands.program(program, 1, device)
    with gate.alone():
        took = commands.took(one, case.images(program, 1), profile.ROUNDS)
    return decided(many, images), took  # type: ignore[arg-type]  # it has what an engine has


def _fitting(
    file: Path, program: Program, data: str, shape: tuple[int, int, int], classes: int
) -> None:
    image, output = program.image, program.values[program.output]
    if (wanted := (image.height, image.width, image.channels)) != shape:
        form, got = ("x".join(map(str, of)) for of in (wanted, shape))
        raise ValueError(f"{file} takes images of {form}; those of {data} are {got}")
    if (output.height, output.width, output.channels) != (1, 1, classes):
        raise ValueError(
            f"{file} answers with {output.height}x{output.width}x{output.channels} numbers; "
            f"{data} has {classes} classes"
        )
    if program.normal is None and not program.pixels:
        raise ValueError(f"{file} does not say how pixels are normalised: it cannot be judged")


def _does(asked: Evaluate) -> None:
    from rich.console import Console

    found = evaluate(
        asked.model, asked.data, asked.data_dir, threads=asked.threads, device=asked.device
    )
    us, spread = found.took.median_ns / 1e3, found.took.spread_ns / 1e3
    doubt = f"; {found.took.doubt}" if found.took.doubt else ""
    if found.about.arch:
        print(f"{'network':9} {found.about.arch}")
    print(
        f"{'accuracy':9} {found.accuracy:.2%} of {found.count:,} images, {asked.data}, test split"
    )
    print(f"{'time':9} {us:.4g} us an image, +- {spread:.2g}, {found.on}{doubt}")
    if found.apart is not None:
        print(f"{'on a CPU':9} other decisions on {found.apart:,} of {found.count:,} images")
    print(f"{'memory':9} {found.memory_bytes:,} bytes of values, {found.file_bytes:,} in the file")
    console = Console(highlight=False, emoji=False)
    if len(found.classes) <= MOST:
        if not console.is_terminal:
            console = Console(highlight=False, emoji=False, width=200)
        console.print(_table(found))
        return
    for line in _most_confused(found):
        print(line)


def _table(found: Evaluation):  # type: ignore[no-untyped-def]
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("is, taken for:", no_wrap=True)
    for name in (*found.classes, "right"):
        table.add_column(name, justify="right")
    for name, row in zip(found.classes, found.confusion, strict=True):
        right = row[found.classes.index(name)] / row.sum() if row.sum() else None
        cells = (str(count) if count else "." for count in row)
        table.add_row(name, *cells, "" if right is None else f"{right:.1%}")
    return table


def _most_confused(found: Evaluation) -> list[str]:
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    said = [
        f"  {wrong[is_, taken]:5} {found.classes[is_]} as {found.classes[taken]}"
        for is_, taken in pairs
        if wrong[is_, taken]
    ]
    return ["most often confused:", *said]


def main(argv: Sequence[str] | None = None) -> int:
    stopped = "nothing is kept"
    return run("nas.evaluate", Evaluate, _does, argv, says=SAYS, examples=EXAMPLES, stopped=stopped)


if __name__ == "__main__":
    sys.exit(main())
