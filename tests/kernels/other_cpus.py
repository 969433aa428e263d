"""Runs kernels where Python cannot: in a static program, on this CPU or on an emulated one.

`Driver.answer` puts many questions to one process: starting an emulated machine takes longer
than all of them together. driver.cpp is the other end of the pipe.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bochs
import numpy as np
import pytest
from driver_questions import Question

from kernels.binary import Result
from kernels.isas import Choice

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "other_cpus"
SOURCES = ROOT / "kernels" / "csrc"
# As kernels/CMakeLists.txt has them. No -march: each file asks for its instruction set itself.
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-Wno-psabi")
# What other tests run as it is shipped, or nothing can run: compiled in a third of the time.
QUICK = {"amx": "-O1", "avx2": "-O1", "portable": "-O1"}

Answer = Result | str  # or why there is none, in the driver's words
Check = Callable[[Result], None]  # fails where that is not the right answer
Run = Callable[[Path, Sequence[str], bytes], bytes]  # program, arguments, stdin -> stdout


@dataclass(frozen=True, slots=True)
class Driver:
    """The program, built for one CPU, and what runs it."""

    program: Path
    run: Run

    def choices(self, *isas: str) -> list[Choice]:
        """Every variant of these instruction sets."""
        return [choice for choice in self.table() if choice.isa in isas]

    def table(self) -> list[Choice]:
        lines = self.run(self.program, ["table"], b"").decode().splitlines()
        return [Choice(*line.split()) for line in lines]

    def answer(self, questions: Iterable[tuple[Question, Choice]]) -> list[Answer]:
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


def all_hold(driver: Driver, asked: Iterable[tuple[Question, Choice, Check]]) -> None:
    """One failure that counts and shows the answers whose checks fail."""
    cases = list(asked)
    assert cases
    answers = driver.answer([(question, choice) for question, choice, _ in cases])
    wrong = []
    for (_, choice, check), answer in zip(cases, answers, strict=True):
        try:
            assert isinstance(answer, Result), answer
            check(answer)
        except AssertionError as error:
            wrong.append(f"{choice}: {error}")
    assert not wrong, f"{len(wrong)} of {len(cases)} differ:\n" + "\n".join(wrong[:8])


def same_bits(what: object, expected: Result, got: Result) -> None:
    """Of floats and signs; 0 is not -0."""
    for came, due in ((got.floats, expected.floats), (got.bits, expected.bits)):
        if due is not None:
            assert came is not None
            np.testing.assert_array_equal(came.view(np.uint8), due.view(np.uint8), str(what))


@functools.cache
def build(compiler: str) -> Path:
    """The driver for the CPU that this compiler compiles for. Objects are kept for next time."""
    files = [f for f in sorted(SOURCES.glob("*.cpp")) if not f.name.startswith("bind")]
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


def on_this_cpu() -> Driver:
    want("g++")
    return Driver(build("g++"), here)


def on_arm() -> Driver:
    want("aarch64-linux-gnu-g++", "qemu-aarch64-static")
    return Driver(build("aarch64-linux-gnu-g++"), qemu)


def on_avx512(scratch: Path) -> Driver:
    """For `answer` alone: what the program can run, it says on this CPU."""
    if platform.machine() != "x86_64":
        pytest.skip("g++ compiles for another CPU here")
    want("g++", *bochs.TOOLS)
    try:
        kernel = bochs.fetch_kernel(CACHE / "linux")
    except RuntimeError as error:
        absent(f"no Linux kernel for the emulated machine: {error}")

    def run(program: Path, arguments: Sequence[str], stdin: bytes) -> bytes:
        assert not arguments
        return bochs.run(program, stdin, kernel=kernel, scratch=scratch, seconds=600)

    return Driver(build("g++"), run)


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


def _parts(came: bytes, at: int, n: int) -> tuple[list[bytes], int]:
    parts = []
    for _ in range(n):
        (size,) = struct.unpack_from("<q", came, at)
        parts.append(came[at + 8 : at + 8 + size])
        at += 8 + size
    return parts, at


def _call(command: list[str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True)
    if done.returncode:
        errors = done.stderr.decode(errors="replace")[-4000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {errors}")
    return done.stdout
