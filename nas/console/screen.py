"""What a person sees: a line that moves while a phase works, and a line that stays of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Left
from rich.table import Table

EVERY = 20.0  # seconds between lines where the output is no screen


class Bar:
    """Of one phase. Elsewhere than on a screen it says where it is once in a while."""

    def __init__(self, name: str, progress: Progress, moves: bool) -> None:
        self.name, self._progress, self._moves = name, progress, moves
        self._task = progress.add_task("", total=None, name=name)
        self._started = self._said = time.monotonic()
        self._first: float | None = None

    def begins(self, done: float, total: float) -> None:
        """The clock starts here: what passed before says nothing of how long the rest takes."""
        self._progress.reset(self._task, total=total, completed=done)  # type: ignore[arg-type]
        self._started, self._first = time.monotonic(), done

    def at(self, done: float, total: float, text: str = "") -> None:
        """`done` of `total`; what was done before this process began does not count as speed."""
        self._progress.update(self._task, completed=done, total=total, description=text)
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if self._moves or now - self._said < EVERY:
            return
        self._said = now
        speed = (done - self._first) / (now - self._started)
        left = f", {spoken((total - done) / speed)} left" if speed else ""
        print(f"{self.name:9} {text}{left}", file=sys.stderr, flush=True)


class Screen:
    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)

    @contextmanager
    def bar(self, name: str) -> Iterator[Bar]:
        columns = (
            TextColumn("{task.fields[name]:9}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            Left(),
        )
        moves = self.console.is_terminal and not self.console.quiet
        with Progress(
            *columns, console=self.console, transient=True, disable=not moves
        ) as progress:
            yield Bar(name, progress, moves or self.console.quiet)

    def say(self, name: str, text: str) -> None:
        """A line that stays."""
        self.console.print(f"{name:9} {text}", markup=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """As wide as it is, where the output is no screen."""
        console = self.console
        if not console.is_terminal:
            quiet = console.quiet
            console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet, width=200)
        console.print(table)


def spoken(seconds: float) -> str:
    """As people say it."""
    if 0 < seconds < 0.0995:
        return f"{1e3 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"


def bytes_spoken(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"
