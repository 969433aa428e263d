"""What a packed program decides on labelled images, run by the kernels. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels import gate
from kernels.engine import Engine
from trainers.data.images import Images, Part
from trainers.data.sets import load_test

BATCH = 100


def decided(engine: Engine, images: Images) -> NDArray[np.int64]:
    """The number of the class of each, in the order they lie in."""
    found = []
    for first in range(0, len(images), BATCH):
        with gate.working():
            pixels = images.take(np.arange(first, min(first + BATCH, len(images))))
            found.append(engine.run(pixels).argmax(-1))
    return np.concatenate(found)


def part_to_test(name: str, folder: Path | None, classes: Sequence[str] | None, what: str) -> Part:
    """Of the data, if its classes are those that were learnt."""
    test = load_test(name, folder)
    if classes is not None and tuple(test.classes) != tuple(classes):
        raise ValueError(
            f"{what} decides among the classes {_some(classes)}; those of {name} are "
            f"{_some(test.classes)}"
        )
    return test


def _some(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:12])
    return shown if len(classes) <= 12 else f"{shown} and {len(classes) - 12} more"
