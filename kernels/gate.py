"""A machine that is measured does nothing else of ours: two locks that all our processes share.

Whoever trains or scores holds the work lock, shared, for one step at a time. Whoever measures takes
it alone, and the gate before it, so that nobody starts a step meanwhile: the wait is at most the
longest step. Locks are advisory, of one machine and one user, and end with the process that holds
them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not a system with such locks: nobody waits
    fcntl = None  # type: ignore[assignment]


@contextmanager
def working() -> Iterator[None]:
    """Around one step of training, or one candidate that is scored. Not within another."""
    with _open("gate") as gate, _open("work") as work:
        _lock(gate, alone=False)
        _unlock(gate)
        _lock(work, alone=False)
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Around a measurement: whatever of ours works on this machine waits meanwhile."""
    with _open("gate") as gate, _open("work") as work:
        _lock(gate, alone=True)
        _lock(work, alone=True)
        yield


def folder() -> Path:
    """Where the locks are: the same for all processes of a user on this machine."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(os.environ.get("BNN_GATE", Path(tempfile.gettempdir()) / f"binary-nas-{user}"))


def _open(name: str) -> IO[bytes]:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    return (folder() / f"{name}.lock").open("ab")


def _lock(file: IO[bytes], *, alone: bool) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def _unlock(file: IO[bytes]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_UN)
