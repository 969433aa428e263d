"""Where processes that train say how far they are, and are told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from trainers.learning.train import Progress

LOOK = 0.3  # seconds between two looks at where they are

Last = dict[str, dict[str, Any]]  # of each who trains, by name, its last progress


class Board:
    """An actor of Ray's."""

    def __init__(self) -> None:
        self._last: Last = {}
        self._stop = False

    def at(self, name: str, progress: dict[str, Any]) -> bool:
        self._last[name] = progress
        return self._stop

    def last(self) -> Last:
        return self._last

    def stop(self) -> None:
        self._stop = True

    def stopping(self) -> bool:
        return self._stop


class Telling:
    """Tells the board how far one training is, and whether to stop; not at every step."""

    def __init__(self, board: Any, name: str) -> None:
        self._board, self._name, self._said = board, name, 0.0

    def __call__(self, at: Progress) -> bool:
        import ray

        if at.step < at.steps and time.monotonic() - self._said < LOOK:
            return False
        self._said = time.monotonic()
        return bool(ray.get(self._board.at.remote(self._name, asdict(at))))


def stopping(board: Any) -> bool:
    """Whether it was told to stop, asked before anything is begun."""
    import ray

    return bool(ray.get(board.stopping.remote()))


def new_board() -> Any:
    import ray

    return ray.remote(num_cpus=0)(Board).remote()


def watched(
    fit: Callable[[], Any], board: Any, show: Callable[[Last], None], stopped: Callable[[], bool]
) -> list[Any]:
    """What `fit` gave, while what the board has is shown; nothing where it was stopped."""
    import ray

    gave: list[Any] = []
    failed: list[BaseException] = []

    def fitted() -> None:
        try:
            gave.append(fit())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=fitted, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(LOOK)
        show(ray.get(board.last.remote()))
        if stopped():
            board.stop.remote()
    if failed and not stopped():
        raise ValueError(f"the processes that train failed: {failed[0]}") from failed[0]
    return gave
