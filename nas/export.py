"""A packed network in other forms: C without Python, and ONNX.

python -m nas.export RUN --pick knee --c out --name digits
"""
# ruff: noqa: RUF009  (`option` and `argument` make fields)

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernels import as_c, as_onnx, model
from nas.console.options import argument, option, run

SAYS = """Writes a packed network as a C header and source, which any compiler takes, and as ONNX,
to look at in Netron and to run wherever ONNX runs. docs/deploy.md tells what is exact."""

EXAMPLES = """Examples:

  python -m nas.export model.bnn --onnx model.onnx

  python -m nas.export runs/groupnet-digits --pick knee --c out --name digits"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    model: Path = argument("a packed network, or a run with --pick", "MODEL.bnn|RUN")
    pick: str | None = option(None, "of a run: what was retrained, as nas.retrain takes it")
    onnx: Path | None = option(None, "to be written", metavar="FILE")
    c: Path | None = option(None, "the folder for a header and a source", metavar="DIR")
    name: str = option("network", "of both files, and what the functions in them begin with")

    def __post_init__(self) -> None:
        if self.onnx is None and self.c is None:
            raise ValueError("--onnx FILE, --c DIR or both are wanted: the form to write")
        if self.model.is_dir() and self.pick is None:
            raise ValueError(f"{self.model} is a folder: --pick says which of a run, as knee")
        if not self.model.is_dir() and self.pick is not None:
            raise ValueError(f"--pick is of a run; {self.model} is no folder")


def export(asked: Export) -> list[Path]:
    """The files that were written."""
    file = asked.model if asked.pick is None else _picked(asked.model, asked.pick)
    program, about = model.load(file)
    written = []
    if asked.c is not None:
        written += as_c.write(program, about, asked.c, asked.name)
    if asked.onnx is not None:
        try:
            as_onnx.write(program, about, asked.onnx)
        except ModuleNotFoundError as error:
            if error.name != "onnx":
                raise
            raise ValueError("ONNX wants a package: pip install 'binary-nas[onnx]'") from error
        written.append(asked.onnx)
    return written


def _picked(home: Path, word: str) -> Path:
    from nas.picks.chosen import find
    from nas.picks.product import packed_of
    from reports.run import read

    picks = home / "picks"
    folders = [there.name for there in picks.glob("*/")]
    return packed_of(picks / (word if word in folders else find(read(home), word).arch.key))


def _does(asked: Export) -> None:
    for file in export(asked):
        print(f"{file}: {file.stat().st_size:,} bytes")


def main(argv: Sequence[str] | None = None) -> int:
    stopped = "files are whole or not there"
    return run("nas.export", Export, _does, argv, says=SAYS, examples=EXAMPLES, stopped=stopped)


if __name__ == "__main__":
    sys.exit(main())
