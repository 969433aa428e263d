"""All images that cannot be read, at once: a training would find them one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from trainers.data.images import Images, Indices

AT_ONCE = 256  # images
AT_ONCE_BYTES = 64 * 2**20


def broken(images: Images, tell: Callable[[int], None]) -> list[str]:
    """What is wrong with each that cannot be read. `tell` hears how many were tried so far."""
    step = max(1, min(AT_ONCE, AT_ONCE_BYTES // math.prod(images.shape)))
    found = []
    for start in range(0, len(images), step):
        some = np.arange(start, min(start + step, len(images)))
        if _wrong(images, some):  # with one of them or with more
            found += [wrong for n in some if (wrong := _wrong(images, np.array([n])))]
        tell(start + len(some))
    return found


def _wrong(images: Images, indices: Indices) -> str | None:
    try:
        images.take(indices)
    except (ValueError, OSError) as error:
        return str(error)
    return None
