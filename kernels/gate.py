"""A machine that is measured does nothing else of ours: two locks that all our processes share.

Whoever trains or scores holds the work lock, shared, for one step at a time. Whoever measures takes
it alone, and the gate before it, so that nobody starts a step meanwhile: the wait is at most the
longest step. Locks are advisory, of one machine and one user, and end with the process that holds
them. A thread does not wait for itself: alone, it may measure and work within. Where there is no
place for locks nobody of this user has any, and nobody waits.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not a system with such locks: nobody waits
    fcntl = None  # type: ignore[assignment]


class _Mine(threading.local):
    """What this thread holds."""

    alone = working = False


_mine = _Mine()


@contextmanager
def working() -> Iterator[None]:
    """Around one step of training, or one candidate that is scored. Not within another."""
    if _mine.alone:
        yield
        return
    with _opened("gate") as gate, _opened("work") as work:
        _lock(gate, alone=False)
        _unlock(gate)
        _lock(work, alone=False)
        _mine.working = True
        try:
            yield
        finally:
            _mine.working = False


@contextmanager
def alone() -> Iterator[None]:
    """Around a measurement: whatever of ours works on this machine waits meanwhile."""
    if _mine.working:
        raise RuntimeError("a measurement within a step would wait for that step: measure before")
    if _mine.alone:
        yield
        return
    with _opened("gate") as gate, _opened("work") as work:
        _lock(gate, alone=True)
        _lock(work, alone=True)
        _mine.alone = True
        try:
            yield
        finally:
            _mine.alone = False


def folder() -> Path:
    """Where the locks are: the same for all processes of a user on this machine."""
    if (asked := os.environ.get("BNN_GATE")) is not None:
        return Path(asked)
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir()) / f"binary-nas-{user}"


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """Closed, and unlocked before: a child that was forked meanwhile has the file open too."""
    process = os.getpid()
    with _open(name) as file:
        try:
            yield file
        finally:
            if os.getpid() == process:
                _unlock(file)


def _open(name: str) -> IO[bytes]:
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        return (folder() / f"{name}.lock").open("ab")
    except OSError:
        if "BNN_GATE" in os.environ:
            raise
        return io.BytesIO()


def _lock(file: IO[bytes], *, alone: bool) -> None:
    if fcntl is not None and not isinstance(file, io.BytesIO):
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def _unlock(file: IO[bytes]) -> None:
    if fcntl is not None and not isinstance(file, io.BytesIO):
        fcntl.flock(file, fcntl.LOCK_UN)
