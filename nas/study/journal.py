"""Optuna's journal, written a batch at a time: what is on disk is always whole batches.

A search that was killed in the middle of a batch begins that batch again, from the same state and
the same randomness, so it asks for the same candidates; their scores are kept elsewhere. The file
is Optuna's own form: its dashboard, and `JournalFileBackend`, read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

MARK = "batches"  # the attribute of the study that ends each batch


class Journal(BaseJournalBackend):
    """What was appended since the last `flush` is in memory only; what was before it, on disk only.

    One storage reads it, and never what it has read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._gone, self._logs = 0, repaired(path)  # lines that are on disk alone, and the others
        self._kept = len(self._logs)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        # Through JSON, as from a file: nobody shares what others may change.
        first = log_number_from - self._gone
        if first < 0:
            raise ValueError(f"{self.path} was read up to line {self._gone} already")
        return (json.loads(line) for line in self._logs[first:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._logs += [json.dumps(log, separators=(",", ":")) for log in logs]

    def flush(self) -> None:
        """In one go. What a full disk leaves of it is cut off, here or when it is opened again."""
        text = "".join(line + "\n" for line in self._logs[self._kept :])
        append(self.path, text.encode())
        self._gone += len(self._logs)
        self._logs, self._kept = [], 0


def repaired(path: Path) -> list[str]:
    """The lines of all whole batches; whatever follows is cut off the file."""
    if not path.exists():
        return []
    data = path.read_bytes()
    *lines, _ = data.split(b"\n")  # what follows the last is torn, or nothing
    whole = 0
    for n, line in enumerate(lines):
        log = _log(line)
        if log is None:
            if any(b'"' + MARK.encode() in rest for rest in lines[n + 1 :]):
                raise ValueError(f"{path}: line {n + 1} is damaged, and whole ones follow")
            break
        if MARK in (log.get("user_attr") or {}):
            whole = n + 1
    end = sum(len(line) + 1 for line in lines[:whole])
    if end < len(data):
        os.truncate(path, end)
    return [line.decode() for line in lines[:whole]]


def _log(line: bytes) -> dict[str, Any] | None:
    """None: damaged."""
    try:
        log = json.loads(line)
    except ValueError:
        return None
    return log if isinstance(log, dict) else None


def append(path: Path, data: bytes) -> None:
    """All of it on the disk, or none and the error."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            written = 0
            while written < len(data):
                written += file.write(data[written:])
            os.fsync(file.fileno())
        except BaseException as error:
            os.ftruncate(file.fileno(), before)
            if isinstance(error, OSError):  # which names no file
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
