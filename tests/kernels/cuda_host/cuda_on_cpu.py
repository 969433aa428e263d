"""A device that is this CPU: kernels built by g++ behind host.h, their memory that of NumPy."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import other_cpus
from numpy.typing import NDArray

from kernels.cuda.launch import Bound, Kernel, Room
from kernels.parameters import Array

HEADER = Path(__file__).with_name("host.h")
CACHE = Path(__file__).parents[3] / "build" / "cuda_host"
FLAGS = ("-std=c++17", "-O0", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared")
TOGETHER = 16  # kernels in a shared object
RUBBISH, GUARD = 0xFF, 256  # as floats: not numbers


def joined(kernels: Iterable[Kernel]) -> str:
    """Kernels one after another, each in a namespace, none with the macros of another."""
    parts = []
    for kernel in kernels:
        macros = dict.fromkeys(re.findall(r"^ *# *define +(\w+)", kernel.text, re.MULTILINE))
        undone = "\n".join(f"#undef {name}" for name in macros)
        parts.append(f"namespace of_{kernel.name} {{\n{kernel.text}\n}}\n{undone}\n")
    return "\n".join(parts)


class HostRoom:
    """Memory that begins as rubbish, with a guard on both sides."""

    def __init__(self, size: int) -> None:
        self._all = np.full(size + 3 * GUARD, RUBBISH, np.uint8)
        begin = -self._all.ctypes.data % GUARD + GUARD
        self.bytes: NDArray[np.uint8] = self._all[begin : begin + size]
        self._guards = (self._all[:begin], self._all[begin + size :])

    @property
    def address(self) -> int:
        return int(self.bytes.ctypes.data)

    def check(self) -> None:
        for guard in self._guards:
            assert (guard == RUBBISH).all(), "written outside of its memory"


class Cpu:
    """See `kernels.cuda.launch.Device`. A capability is only what others are told."""

    name, index, processors = "a CPU that plays a GPU", 0, 4

    def __init__(self, capability: int = 90) -> None:
        self.capability = capability
        self.launched = 0
        self._rooms: list[HostRoom] = []

    def load(self, kernels: Iterable[Kernel]) -> None:
        build(kernels)

    def room(self, size: int) -> Room:
        room = HostRoom(size)
        self._rooms.append(room)
        return room

    def view(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Any:
        assert isinstance(room, HostRoom)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        assert at >= 0
        assert at + size <= room.bytes.size
        return room.bytes[at : at + size].view(dtype).reshape(shape)

    def shared(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Any:
        return self.view(room, at, shape, dtype)

    def in_order(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def write(self, room: Room, at: int, array: Array) -> None:
        self.view(room, at, array.shape, str(array.dtype))[...] = array

    def read(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Array:
        copied: Array = self.view(room, at, shape, dtype).copy()
        return copied

    def recorded(self, launches: Sequence[Bound]) -> Callable[[], None]:
        def run() -> None:
            for one in launches:
                self._launch(one)
            for room in self._rooms:
                room.check()

        return run

    def clock(self, run: Callable[[], None], rounds: int) -> list[float]:
        took = []
        for _ in range(rounds):
            begun = time.perf_counter_ns()
            run()
            took.append(float(time.perf_counter_ns() - begun))
        return took

    def _launch(self, one: Bound) -> None:
        self.launched += 1
        grid = (ctypes.c_int * 3)(*one.grid)
        call = build([one.kernel])[one.kernel.name]
        wrong = call(grid, one.threads, one.argument.ctypes.data_as(ctypes.c_void_p))
        assert wrong is None, f"{one.kernel.name}: {wrong.decode()}"


BUILT: dict[str, Any] = {}


def build(kernels: Iterable[Kernel]) -> dict[str, Any]:
    """The function of each, by name. New ones are compiled, several files at a time."""
    new = {kernel.name: kernel for kernel in kernels if kernel.name not in BUILT}
    if new:
        other_cpus.want("g++")
        some = [new[name] for name in sorted(new)]
        files = [some[n : n + TOGETHER] for n in range(0, len(some), TOGETHER)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for library, of in zip(pool.map(_library, files), files, strict=True):
                for kernel in of:
                    call = getattr(library, f"launch_{kernel.name}")
                    call.restype = ctypes.c_char_p
                    BUILT[kernel.name] = call
    return BUILT


def _library(kernels: Sequence[Kernel]) -> ctypes.CDLL:
    calls = "\n".join(
        f'extern "C" const char* launch_{k.name}'
        f"(const int* grid, int threads, const void* given) {{\n"
        f"  return host::run([](const void* args) {{\n"
        f"    of_{k.name}::{k.name}(*static_cast<const of_{k.name}::Args*>(args));\n"
        f"  }}, grid, threads, given);\n}}"
        for k in kernels
    )
    text = f'#include "{HEADER}"\n{joined(kernels)}\n{calls}\n'
    named = hashlib.sha256((_header() + text + " ".join(FLAGS)).encode()).hexdigest()[:16]
    made = CACHE / f"{named}.so"
    if not made.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        source, new = made.with_suffix(".cpp"), CACHE / f"{named}.{os.getpid()}.so"
        source.write_text(text)
        command = ["g++", *FLAGS, str(source), "-o", str(new)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr[:4000]
        new.replace(made)
    return ctypes.CDLL(str(made))


@functools.cache
def _header() -> str:
    return HEADER.read_text()
