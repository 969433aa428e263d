"""A folder of one training: what was asked of it, who works on it, how its loss went."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kernels import files
from nas.runs.run import read_json
from nas.runs.settings import spelt
from trainers.learning.train import Progress

ASKED, LOSSES, METRICS = "asked.json", "losses.csv", "metrics.csv"
BEGUN = ("checkpoint.pt", "result.json")  # one of them is there once something is learnt
Asked = Mapping[str, Any]


def begun(home: Path, asked: Asked, instead: str) -> None:
    """Notes what is asked of a folder, or refuses where something else was begun in it.

    `instead`: what to do who wants the other thing.
    """
    file = home / ASKED
    if not any((home / name).exists() for name in BEGUN):
        files.replace(file, json.dumps(asked, indent=1) + "\n")
        return
    before = read_json(file)
    different = [
        f"{name} was {spelt(before.get(name))}, is {spelt(asked.get(name))}"
        for name in dict.fromkeys([*before, *asked])
        if before.get(name) != asked.get(name)
    ]
    if different:
        raise ValueError(f"{home} was begun otherwise: {'; '.join(different)}. {instead}")


@contextmanager
def alone(homes: list[Path]) -> Iterator[None]:
    """Nobody else works on these meanwhile."""
    with ExitStack() as held:
        for home in homes:
            home.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context((home / "lock").open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ValueError(f"{home} is being worked on by another process") from error
        yield


class Losses:
    """A line a step, so that an interrupted training ends with the metrics of an unbroken one."""

    def __init__(self, home: Path) -> None:
        self._path = home / LOSSES
        self._begun = False

    def __call__(self, at: Progress) -> None:
        if not self._begun:  # steps behind the checkpoint are done again
            kept = [line for step, line in self._lines() if step < at.step]
            files.replace(self._path, "".join(kept))
            self._begun = True
        with self._path.open("a") as file:
            file.write(f"{at.step},{at.loss!r},{at.rate!r},{at.spent:.3f}\n")

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Whole ones: a process that was killed may have left half of one."""
        text = self._path.read_text() if self._path.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                yield int(line.partition(",")[0]), line

    @property
    def seconds(self) -> float:
        """Of all steps."""
        lines = [line for _, line in self._lines()]
        return float(lines[-1].rpartition(",")[2]) if lines else 0.0

    def by_epoch(self, steps_an_epoch: float) -> None:
        """Leaves metrics.csv: the mean loss of each epoch, the last rate and the seconds so far."""
        rows: dict[int, list[list[float]]] = {}
        for step, line in self._lines():
            epoch = int((step - 1) / steps_an_epoch) + 1
            rows.setdefault(epoch, []).append([float(cell) for cell in line.split(",")])
        table = ["epoch,step,loss,rate,seconds"]
        for epoch, of in rows.items():
            last, _, rate, spent = of[-1]
            loss = sum(row[1] for row in of) / len(of)
            table.append(f"{epoch},{last:.0f},{loss:.6g},{rate:.4g},{spent:.3f}")
        files.replace(self._path.with_name(METRICS), "\n".join(table) + "\n")

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)
