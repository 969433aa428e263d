"""Programs as C, built by a compiler for a machine, and their answers there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import other_cpus
from numpy.typing import NDArray
from programs import random_images

from kernels import as_c
from kernels.about import About
from kernels.engine import Engine, Floats, Images
from kernels.program import Program

MAIN = Path(__file__).with_name("c_main.c")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off", "-O2")
# The other order of bytes: there is no C library for it, and main has what it needs. What copies in
# a loop must not become a call of itself.
BARE = ("-mbig-endian", "-DBARE", "-nostdlib", "-fno-tree-loop-distribute-patterns")
ONLY_HEADERS = "gnu/stubs-lp64_be.h"  # a list of what a C library lacks, and there is none


@dataclass(frozen=True, slots=True)
class Machine:
    compiler: str
    emulator: str | None = None
    flags: tuple[str, ...] = ()

    @property
    def big_endian(self) -> bool:
        return "-mbig-endian" in self.flags

    def want(self) -> None:
        tools = (self.compiler, self.emulator)
        other_cpus.want(*(tool for tool in tools if tool is not None))

    def answers(self, program: Program, images: Images, folder: Path, *more: str) -> Floats:
        """Of the network built in that folder, (batch, numbers)."""
        as_c.write(program, About(arch="x"), folder, "net")
        output, pixels = program.values[program.output], images.dtype == np.uint8
        flags = [*STRICT, *self.flags, f"-I{folder}", *more]
        flags += [f"-DANSWERS={output.bytes // 4}", f"-DIMAGE={'uint8_t' if pixels else 'float'}"]
        if self.big_endian:
            (folder / "gnu").mkdir()
            (folder / ONLY_HEADERS).touch()
        call([self.compiler, *flags, "-c", folder / "net.c", "-o", folder / "net.o"])
        plain = [flag for flag in flags if flag not in ("-std=c99", "-pedantic")]
        libraries = [] if self.big_endian else ["-lm"]
        call([self.compiler, *plain, MAIN, folder / "net.o", "-o", folder / "net", *libraries])
        order = ">" if self.big_endian else "<"
        sent = images if pixels else images.astype(f"{order}f4")
        emulated = [] if self.emulator is None else [self.emulator]
        came = call([*emulated, folder / "net"], sent.tobytes())
        return np.frombuffer(came, f"{order}f4").reshape(len(images), -1).astype(np.float32)


HERE = Machine("cc")
CHECKED = Machine("cc", flags=("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"))
ARM = Machine("aarch64-linux-gnu-gcc", "qemu-aarch64-static", ("-static",))
BIG_ENDIAN = Machine("aarch64-linux-gnu-gcc", "qemu-aarch64_be-static", (*BARE, "-static"))


def same_answers(machine: Machine, drawn: Iterable[Program], folder: Path, *more: str) -> None:
    """Bit for bit those of the engine, on three images each; 0 is not -0."""
    machine.want()

    def differs(n: int, program: Program) -> str:
        images = images_of(program, 3, n)
        (folder / f"{n}").mkdir()
        got = machine.answers(program, images, folder / f"{n}", *more)
        due = Engine(program, measured=False).run(images).reshape(len(images), -1)
        same = np.array_equal(got.view(np.uint32), due.view(np.uint32))
        return "" if same else f"{n}, {program.ops}: {got} instead of {due}"

    with ThreadPoolExecutor(2) as pool:
        wrong = list(filter(None, pool.map(differs, *zip(*enumerate(drawn), strict=True))))
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:4])


def images_of(program: Program, batch: int, seed: int) -> Images:
    """Pixels wherever it takes them."""
    images: Images = random_images(program, batch, seed)
    if program.normal is None:
        return images
    pixels: NDArray[np.uint8] = np.random.default_rng(seed).integers(0, 256, images.shape, np.uint8)
    return pixels


def prepared(program: Program, images: Images) -> Images:
    """As `walk` takes them."""
    if program.normal is None:
        return images
    mean, std = (np.array(row, np.float32) for row in program.normal)
    return (images.astype(np.float32) - mean) / std


def call(command: Sequence[str | Path], stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    errors = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {errors[-4000:]}"
    return done.stdout
