"""What made a packed network: what a file says besides what it computes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from reprlib import repr as brief
from typing import Any

from kernels.op_data import exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """As far as it is known; nothing of it changes what the program computes."""

    arch: str | None = None  # its text
    key: str | None = None
    labels: tuple[str, ...] | None = None  # of the classes, in their order
    made_by: str | None = None  # what wrote it, and its version
    accuracy: float | None = None  # that is claimed: the share of right answers, 0 to 1
    data: str | None = None  # on which data, and which split of it
    created: str | None = None  # a date, or a date and a time, as ISO 8601 writes them

    def __post_init__(self) -> None:
        if not (self.labels is None or isinstance(self.labels, tuple)):
            raise ValueError(f"labels are a tuple of texts; got {brief(self.labels)}")
        for name in ("arch", "key", "made_by", "data", "created"):
            if getattr(self, name) is not None:
                _plain(getattr(self, name), name)
        for label in self.labels or ():
            _plain(label, "a label")
        share = self.accuracy
        if share is not None and not (type(share) in (int, float) and 0 <= share <= 1):
            raise ValueError(f"accuracy is a share, 0 to 1; got {brief(share)}")
        if self.created is not None:
            try:
                datetime.fromisoformat(self.created)
            except ValueError as wrong:
                raise ValueError(f"created is a date as ISO 8601 writes it: {wrong}") from wrong


def from_data(data: Any) -> About:
    """From what JSON made of `asdict`."""
    given = exactly(data, [field.name for field in fields(About)], "about")
    labels = given["labels"]
    return About(**{**given, "labels": tuple(labels) if isinstance(labels, list) else labels})


def _plain(text: Any, name: str) -> None:
    """It will be printed: nothing in it may steer a terminal."""
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError(f"{name} is a text of printable characters; got {brief(text)}")
