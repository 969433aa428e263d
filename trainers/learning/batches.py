"""Which images a step takes: a function of the seed and the step, so nothing has to be kept.

The images lie in one endless row, an epoch after another, each in an order of its own; a step takes
the next batch of them. So every batch is full, and every image comes once in each epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trainers.learning.seeds import derived

T = TypeVar("T")


def order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    return np.random.default_rng(derived(seed, "order", epoch)).permutation(images)


_order = lru_cache(maxsize=2)(order)  # a batch may reach from one epoch into the next


def indices(seed: int, step: int, batch: int, images: int) -> NDArray[np.int64]:
    """The images of step 0, 1, ..."""
    if images < 1:
        raise ValueError("there are no images to take a batch from")
    places = np.arange(step * batch, (step + 1) * batch)
    epochs = places // images
    parts = [
        _order(seed, int(epoch), images)[places[epochs == epoch] % images]
        for epoch in np.unique(epochs)
    ]
    return np.concatenate(parts)


def ahead(read: Callable[[int], T], steps: range) -> Iterator[T]:
    """What `read` gives for each step; the next is read while the caller works on this one."""
    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(read, step) for step in steps[:1]]
        for step in steps:
            now = coming.pop().result()
            if step + steps.step in steps:
                coming.append(reader.submit(read, step + steps.step))
            yield now
