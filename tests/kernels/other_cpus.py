"""Runs kernels where Python cannot: in a static program, on this CPU or on an emulated one.

`Driver.answer` puts many questions to one process: starting an emulated machine takes longer
than all of them together. driver.cpp is the other end of the pipe.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.binary import Constants, Result
from kernels.bits import Bits, bytes_for
from kernels.isas import Choice
from kernels.ops import BinaryConv, Curve, Residual

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "other_cpus"
SOURCES = ROOT / "kernels" / "csrc"
# As kernels/CMakeLists.txt has them. No -march: each file asks for its instruction set itself.
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-Wno-psabi")
# What other tests run as it is shipped, or nothing can run: compiled in a third of the time.
QUICK = {"amx": "-O1", "avx2": "-O1", "portable": "-O1"}

Floats = NDArray[np.float32]
Answer = Result | str  # or why there is none, in the driver's words
Run = Callable[[Path, Sequence[str], bytes], bytes]  # program, arguments, stdin -> stdout

CURVES, RESIDUALS = list(Curve), list(Residual)  # in the order of the enums in kernel.h


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution:
    """An op with all that it is given; weights and signs are packed."""

    op: BinaryConv
    weights: Bits
    constants: Constants
    signs: Bits
    residual: Floats | None
    threads: int = 1

    def message(self, choice: Choice) -> bytes:
        o, a, c = self.op, self.op.after, self.constants
        shape = (o.height, o.width, o.channels, o.filters, o.kernel, o.stride, o.dilation)
        more = (o.padding, o.inputs, o.bases, o.own)
        outer = (a.outer is not None, CURVES.index(a.outer or Curve.NONE))
        after = (a.floats, a.signs, a.sum, CURVES.index(a.inner), RESIDUALS.index(a.residual))
        numbers = (0, *shape, *more, *after, *outer, self.signs.shape[1], self.threads)
        constants = (c.scale, c.shift, c.slope, c.each, c.before, c.curve, c.after, c.thresholds)
        return _message(numbers, choice, (self.weights, *constants, self.signs, self.residual))

    def read(self, dots: bytes, floats: bytes, bits: bytes) -> Result:
        o = self.op
        place = (self.signs.shape[1], o.out_height, o.out_width)
        size = bytes_for(o.filters)
        return Result(
            dots=_array(dots, np.int32, (o.pairs, *place, o.filters)),
            floats=_array(floats, np.float32, (o.sets, *place, o.filters)),
            bits=_array(bits, np.uint8, (o.sets, o.after.signs, *place, size)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """What `pack_below` does: values (pixels, channels), thresholds (signs, channels)."""

    values: Floats
    thresholds: Floats

    def message(self, choice: Choice) -> bytes:
        numbers = (1, *self.values.shape, len(self.thresholds))
        return _message(numbers, choice, (self.values, self.thresholds))

    def read(self, dots: bytes, floats: bytes, bits: bytes) -> Result:
        pixels, channels = self.values.shape
        return Result(
            bits=_array(bits, np.uint8, (len(self.thresholds), pixels, bytes_for(channels)))
        )


@dataclass(frozen=True, slots=True)
class Driver:
    """The program, built for one CPU, and what runs it."""

    program: Path
    run: Run

    def table(self) -> list[Choice]:
        lines = self.run(self.program, ["table"], b"").decode().splitlines()
        return [Choice(*line.split()) for line in lines]

    def answer(self, questions: Iterable[tuple[Convolution | Packing, Choice]]) -> list[Answer]:
        asked = list(questions)
        sent = b"".join(question.message(choice) for question, choice in asked)
        came = self.run(self.program, [], sent)
        answers: list[Answer] = []
        at = 0
        for question, _ in asked:
            (status,) = struct.unpack_from("<q", came, at)
            parts, at = _parts(came, at + 8, 1 if status else 3)
            answers.append(parts[0].decode() if status else question.read(*parts))
        assert at == len(came), "the driver wrote more than was asked"
        return answers


@functools.cache
def build(compiler: str) -> Path:
    """The driver for the CPU that this compiler compiles for. Objects are kept for next time."""
    files = [f for f in sorted(SOURCES.glob("*.cpp")) if f.name != "bindings.cpp"]
    files.append(Path(__file__).with_name("driver.cpp"))
    folder = CACHE / compiler
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(lambda file: _compile(compiler, file, folder), files))
    program = folder / "driver"
    _call([compiler, "-static", "-pthread", "-o", str(program), *map(str, objects)])
    return program


def _compile(compiler: str, file: Path, folder: Path) -> Path:
    command = [compiler, *FLAGS, QUICK.get(file.stem, "-O3"), f"-I{SOURCES}", "-c", str(file)]
    used = [_call([compiler, "--version"]), repr(command).encode(), file.read_bytes()]
    used += [header.read_bytes() for header in sorted(SOURCES.glob("*.h"))]
    made = folder / f"{file.stem}-{hashlib.sha256(b''.join(used)).hexdigest()[:16]}.o"
    if not made.exists():
        for old in folder.glob(f"{file.stem}-*"):
            old.unlink()
        _call([*command, "-o", str(made.with_suffix(".partial"))])
        made.with_suffix(".partial").rename(made)
    return made


def here(program: Path, arguments: Sequence[str], stdin: bytes) -> bytes:
    return _call([str(program), *arguments], stdin)


def qemu(program: Path, arguments: Sequence[str], stdin: bytes) -> bytes:
    return _call(["qemu-aarch64-static", str(program), *arguments], stdin)


def want(*tools: str) -> None:
    """Skip the test where a tool is missing; where tests must not be skipped (CI), fail."""
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        absent(f"not installed: {', '.join(missing)}")


def absent(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{why} (and in CI nothing is skipped)")
    pytest.skip(why)


def _message(
    numbers: Sequence[int], choice: Choice, arrays: Sequence[NDArray[np.generic] | None]
) -> bytes:
    header = struct.pack("<21q", *numbers, *[0] * (21 - len(numbers)))
    names = struct.pack("16s16s", choice.isa.encode(), choice.variant.encode())
    bodies = [b"" if a is None else np.ascontiguousarray(a).tobytes() for a in arrays]
    return header + names + b"".join(struct.pack("<q", len(b)) + b for b in bodies)


def _parts(came: bytes, at: int, n: int) -> tuple[list[bytes], int]:
    parts = []
    for _ in range(n):
        (size,) = struct.unpack_from("<q", came, at)
        parts.append(came[at + 8 : at + 8 + size])
        at += 8 + size
    return parts, at


def _array(part: bytes, dtype: type[np.generic], shape: tuple[int, ...]) -> Any:
    return np.frombuffer(part, dtype).reshape(shape) if part else None


def _call(command: list[str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True)
    if done.returncode:
        errors = done.stderr.decode(errors="replace")[-4000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {errors}")
    return done.stdout
