"""A line that says how far a long work is, and how long it will still take."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from typing import TextIO, TypeVar

EVERY = 15.0  # seconds between lines where the output is no screen
T = TypeVar("T")


class Progress:
    """On a screen one line that moves; elsewhere a line in a while. Needs no package."""

    def __init__(self, total: int, what: str, out: TextIO | None = None) -> None:
        self.total, self.what = total, what
        self._out = sys.stderr if out is None else out
        self._moves = self._out.isatty()
        self._started = self._said = time.monotonic()

    def at(self, done: int) -> None:
        now = time.monotonic()
        if not self._moves and now - self._said < EVERY:
            return
        self._said = now
        left = (now - self._started) / done * (self.total - done) if done else 0.0
        text = f"{self.what} {done}/{self.total}, {spoken(left)} left"
        self._out.write(f"\r\x1b[2K{text}" if self._moves else f"{text}\n")
        self._out.flush()

    def end(self) -> None:
        if self._moves:
            self._out.write("\r\x1b[2K")
            self._out.flush()


def told(things: Collection[T], what: str) -> Iterator[T]:
    """The same things, and how far that is."""
    progress = Progress(len(things), what)
    for n, thing in enumerate(things):
        progress.at(n)
        yield thing
    progress.end()


def spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
