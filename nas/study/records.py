"""What every candidate scored, as it came in: a line for each, never rewritten."""

from __future__ import annotations

import os
from pathlib import Path

from nas.study.journal import append
from nas.study.trial import Asked, Scored, Trial, from_json


class Records:
    """On a file of lines. A torn last one, of a process that was killed, is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes() if path.exists() else b""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        self._by_key = {trial.asked.key: trial for trial in read(path)}

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, key: str) -> Trial | None:
        return self._by_key.get(key)

    def add(self, asked: Asked, scored: Scored) -> Trial:
        trial = Trial(asked, scored)
        append(self.path, (trial.to_json() + "\n").encode())
        self._by_key[asked.key] = trial
        return trial

    @property
    def trials(self) -> list[Trial]:
        """In order of their numbers."""
        return sorted(self._by_key.values(), key=lambda trial: trial.asked.number)

    @property
    def by_key(self) -> dict[str, Trial]:
        return self._by_key


def read(path: Path) -> list[Trial]:
    """What is whole of it; another process may be about to end the last line."""
    found = []
    *lines, _ = path.read_bytes().split(b"\n") if path.exists() else [b""]
    for n, line in enumerate(lines, 1):
        try:
            found.append(from_json(line.decode()))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: line {n} is damaged: {error!r}") from error
    return found
