"""Who measures is alone: real processes, real locks.

Each process says what it does in lines; whoever is to wait has said that it is about to begin, and
then nothing more.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernels import gate

PROCESS = """
import sys
from kernels import gate
print("begins", flush=True)
with getattr(gate, sys.argv[1])():
    print("in", flush=True)
    sys.stdin.readline()
print("out", flush=True)
"""
WAITS = 0.25  # seconds in which a process that could go in would have


class Process:
    """`working` or `alone` until it is told to leave."""

    def __init__(self, what: str, does: str = PROCESS) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", does, what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a line that was said and not read yet is seen by `waits`
        )
        assert self.said() == "begins"

    def said(self) -> str:
        assert self.popen.stdout is not None
        assert select.select([self.popen.stdout], [], [], 30)[0], "it still waits"
        return self.popen.stdout.readline().decode().strip()

    def waits(self) -> bool:

        assert self.popen.stdout is not None
        return not select.select([self.popen.stdout], [], [], WAITS)[0]

    def leaves(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()
        assert self.said() == "out"


@contextmanager
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    try:
        yield started
    finally:
        for process in started:
            process.popen.kill()
            process.popen.communicate()


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Not those of this machine, which others hold."""
    monkeypatch.setenv("BNN_GATE", str(tmp_path / "locks"))
    return tmp_path / "locks"


def test_workers_work_side_by_side() -> None:
    with processes() as started:
        for _ in range(2):
            started.append(Process("working"))
            assert started[-1].said() == "in"


def test_who_measures_waits_for_the_step_and_nobody_begins_another_meanwhile() -> None:
    with processes() as started:
        worker = Process("working")
        started.append(worker)
        assert worker.said() == "in"
        measurer = Process("alone")
        started.append(measurer)
        assert measurer.waits()
        late = Process("working")
        started.append(late)
        assert late.waits()  # though another worker is in
        worker.leaves()
        assert measurer.said() == "in"
        assert late.waits()
        measurer.leaves()
        assert late.said() == "in"


def test_of_two_who_measure_one_waits() -> None:
    with processes() as started:
        first, second = Process("alone"), Process("alone")
        started += [first, second]
        time.sleep(WAITS)
        inside, waiting = (second, first) if first.waits() else (first, second)
        assert inside.said() == "in"
        assert waiting.waits()
        inside.leaves()
        assert waiting.said() == "in"


@pytest.mark.parametrize("what", ["working", "alone"])
def test_a_killed_process_leaves_no_lock(what: str) -> None:
    with processes() as started:
        started.append(Process(what))
        assert started[0].said() == "in"
        started.append(Process("alone"))
        assert started[1].waits()
        started[0].popen.kill()
        assert started[1].said() == "in"


def test_what_raises_within_gives_the_locks_back() -> None:
    for within in (gate.working, gate.alone):
        with pytest.raises(RuntimeError, match="within"), within():
            raise RuntimeError("within")
    with processes() as started:
        started.append(Process("alone"))
        assert started[0].said() == "in"


WITHIN = """
from kernels import gate
print("begins", flush=True)
with gate.alone():
    with gate.alone(), gate.working():
        pass
    print("in", flush=True)
    input()
"""


def test_who_is_alone_does_not_wait_for_itself_and_stays_alone() -> None:
    with processes() as started:
        started.append(Process("", WITHIN))
        assert started[0].said() == "in"
        started.append(Process("working"))
        assert started[1].waits()
        started[0].popen.kill()
        assert started[1].said() == "in"


def test_a_measurement_within_a_step_is_an_error_instead_of_a_wait_without_end() -> None:
    with gate.working(), pytest.raises(RuntimeError, match="measure before"), gate.alone():
        pass
    with gate.alone():
        pass


def test_of_two_threads_one_waits_too() -> None:
    with gate.alone():
        late = threading.Thread(target=lambda: gate.alone().__enter__(), daemon=True)
        late.start()
        late.join(WAITS)
        assert late.is_alive()
    late.join(30)
    assert not late.is_alive()


def test_where_there_is_no_place_for_locks_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    for within in (gate.working, gate.alone):
        monkeypatch.setenv("BNN_GATE", str(tmp_path / "file" / "locks"))
        with pytest.raises(NotADirectoryError), within():
            pass
        monkeypatch.delenv("BNN_GATE")
        with within():
            pass


def test_locks_lie_where_the_environment_says(locks: Path) -> None:
    assert gate.folder() == locks
    with gate.alone():
        assert sorted(file.name for file in locks.iterdir()) == ["gate.lock", "work.lock"]
    assert locks.stat().st_mode & 0o777 == 0o700


def test_else_they_are_those_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BNN_GATE")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert gate.folder() == tmp_path / f"binary-nas-{os.getuid()}"


def test_a_folder_for_locks_may_lie_in_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BNN_GATE", str(tmp_path / "new" / "locks"))
    with gate.working():
        assert (tmp_path / "new" / "locks" / "work.lock").exists()


FORKS = """
import os, sys
from kernels import gate
print("begins", flush=True)
with getattr(gate, sys.argv[1])():
    if not os.fork():
        sys.stdin.readline()
        os._exit(0)
print("out", flush=True)
"""


@pytest.mark.parametrize("what", ["working", "alone"])
def test_a_child_that_was_forked_within_keeps_no_lock(what: str) -> None:
    with processes() as started:
        started.append(Process(what, FORKS))
        assert started[0].said() == "out"
        started.append(Process("alone"))
        assert started[1].said() == "in"


LEAVES = """
import os, sys
from kernels import gate
print("begins", flush=True)
with getattr(gate, sys.argv[1])():
    if os.fork():
        os.wait()
        print("in", flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize("what", ["working", "alone"])
def test_nor_does_it_give_its_parents_lock_back(what: str) -> None:
    with processes() as started:
        started.append(Process(what, LEAVES))
        assert started[0].said() == "in"
        started.append(Process("alone"))
        assert started[1].waits()
