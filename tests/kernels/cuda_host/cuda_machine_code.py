"""Kernels as machine code of a GPU that is not here, and what they take of it."""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import other_cpus
from cuda_on_cpu import joined

from kernels.cuda import nvrtc
from kernels.cuda.launch import Kernel, prelude


class Use(NamedTuple):
    """What a kernel takes: registers, bytes of stack (local memory), bytes that are spilled."""

    registers: int
    stack: int
    spilled: int


@functools.cache
def library() -> ctypes.CDLL:
    try:
        return nvrtc.library()
    except OSError as missing:
        other_cpus.absent(str(missing))
        raise


def machine_code(kernels: Sequence[Kernel], capability: int) -> tuple[bytes, dict[str, Use]]:
    """Of all of them, and what each takes. One call: it has much to begin with."""
    text, asked = prelude() + joined(kernels), ("--ptxas-options=-v",)
    made = nvrtc.compiled(library(), text, f"sm_{capability}", asked)
    return made.code, _uses(made.log)


def assembly(kernel: Kernel) -> str:
    """PTX, which says of every step how it is rounded."""
    return nvrtc.compiled(library(), prelude() + kernel.text, "compute_80").code.decode()


def _uses(log: str) -> dict[str, Use]:
    """As the assembler says it, kernel by kernel."""
    parts = re.split(r"Compiling entry function '(\w+)' for '\w+'", log)
    found = {}
    for name, said in zip(parts[1::2], parts[2::2], strict=True):
        registers = re.search(r"Used (\d+) registers", said)
        memory = re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", said
        )
        assert registers, said
        assert memory, said
        stack, stored, loaded = map(int, memory.groups())
        found[name] = Use(int(registers[1]), stack, max(stored, loaded))
    return found
