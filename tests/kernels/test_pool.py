"""Threads: many callers at once, a child process, work that is shared, work that fails."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from kernels import bits, isas
from kernels.binary import Kernel
from kernels.ops import BinaryConv, Epilogue

AFTER = Epilogue(floats=True, signs=1, sum=True)
OP = BinaryConv(height=20, width=20, channels=64, filters=96, padding=1, bases=2, after=AFTER)


def kernels(case: Any, threads: int) -> list[Kernel]:
    return [
        Kernel(OP, bits.pack(case.w), case.constants, choice=choice, threads=threads)
        for choice in isas.choices(OP)
    ]


def test_many_callers_share_one_kernel(case: Callable[..., Any]) -> None:
    """Each caller has its own scratch memory; the pool serves them all."""
    made = case(OP, batch=2)
    x = bits.pack(made.x)
    for kernel in kernels(made, threads=2):
        with ThreadPoolExecutor(6) as callers:
            for got in callers.map(lambda _, run=kernel.run: run(x), range(48)):
                made.check(got)


def test_one_thread_after_many_and_many_after_one(case: Callable[..., Any]) -> None:
    made = case(OP)
    for threads in (1, 7, 1, 3):
        for kernel in kernels(made, threads):
            made.check(kernel.run(bits.pack(made.x)))


def _in_a_child(made: Any, answers: Any) -> None:
    got = kernels(made, threads=2)[0].run(bits.pack(made.x))
    answers.put(bool(np.array_equal(got.floats, made.expected.floats)))


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parents_threads(case: Callable[..., Any]) -> None:
    """Threads do not survive a fork: a pool that counted on them would wait for ever."""
    made = case(OP)
    kernels(made, threads=2)[0].run(bits.pack(made.x))  # the parent's pool exists
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=_in_a_child, args=(made, answers))
    child.start()
    assert answers.get(timeout=60)
    child.join(timeout=60)
    assert child.exitcode == 0


WITHOUT_MEMORY = """
import resource
import numpy as np
from kernels import _core

def native(size):
    return _core.Program(
        height=1, width=1, channels=1, image=0, mean=[], std=[], output=0, outputs=1, bytes=size)

images, answers = np.ones((64, 1, 1, 1), np.float32), np.empty((64, 1), np.float32)
native(64).run(64, images, answers, 4)  # the threads are there
resource.setrlimit(resource.RLIMIT_AS, (1 << 38, 1 << 38))
wanting = native(1 << 40)  # more than there is
for _ in range(200):
    try:
        wanting.run(64, images, answers, 4)
    except MemoryError:
        native(64).run(64, images, answers, 4)
    else:
        raise AssertionError("there was memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="it ends the process itself")
def test_a_thread_that_finds_no_memory_is_an_error_of_the_call() -> None:
    asked = [sys.executable, "-c", WITHOUT_MEMORY]
    said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr
