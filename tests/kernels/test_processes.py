"""Processes that end or fork while threads are in the core, and those that may have no threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import os, resource, signal, sys, threading, time
import numpy as np
from programs import alone
from kernels.engine import Engine
from kernels.flow import Value
from kernels.ops import RealConv

conv = RealConv(height=16, width=16, channels=8, filters=16, padding=1)
program = alone(conv, Value(False, 1, 16, 16, 8))
images = np.ones((4, 16, 16, 8), np.float32)
wanted = Engine(program, measured=False).run(images)
engine = Engine(program, threads=int(sys.argv[1]), measured=False)

def again():
    while True:
        {call}

"""
ENDS = """
threading.Thread(target=again, daemon=True).start()
time.sleep(0.3)
"""
FORKS = """
threading.Thread(target=again, daemon=True).start()
for _ in range(40):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        same = np.array_equal(engine.run(images), wanted)
        {end}(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0, "a child hung, or found other numbers"
"""
HAS_NO_THREADS = """
before = os.listdir("/proc/self/task")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 4_000_000, used + 4_000_000))
assert np.array_equal(engine.run(images), wanted)
assert os.listdir("/proc/self/task") == before
"""

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
ASAN = "asan" in os.environ.get("LD_PRELOAD", "")


def run(program: str, threads: int, call: str = "engine.run(images)") -> None:
    asked = [sys.executable, "-c", BEGIN.replace("{call}", call) + program, str(threads)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    said = subprocess.run(asked, env=here, capture_output=True, text=True, check=False, timeout=120)
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", ["engine.run(images)", "engine.clock(images, 50)"])
def test_a_process_ends_while_a_thread_that_it_does_not_wait_for_is_in_the_core(
    threads: int, call: str
) -> None:
    """Python would end that thread in the midst of C++, and with it the process."""
    run(ENDS, threads, call)


@pytest.mark.parametrize("end", ["os._exit", "sys.exit"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_does_not_wait_for_what_a_thread_of_its_parent_held(threads: int, end: str) -> None:
    run(FORKS.replace("{end}", end), threads, "engine.clock(images, 500)")
    run(FORKS.replace("{end}", end), threads)  # which comes back to the interpreter more often


@LINUX
@pytest.mark.skipif(ASAN, reason="it has no memory to spare itself")
def test_without_threads_to_be_had_one_does_all() -> None:
    run(HAS_NO_THREADS, 64)
