"""Batch norm statistics, computed afresh: what a candidate has before it is scored.

A norm of the supernet has seen the bases of many architectures. A candidate's own statistics are
those of a fixed set of training images, every batch of them weighing the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.learning.seeds import derived
from trainers.networks.mode import ANSWER, Mode
from trainers.networks.network import Network


def calibration_set(images: int, count: int, seed: int) -> NDArray[np.int64]:
    """Which of so many training images: the same ones for all candidates of a seed, in order."""
    if not 0 < count <= images:
        raise ValueError(f"1 to {images} images to calibrate on; got {count}")
    chosen = np.random.default_rng(derived(seed, "calibration", 0)).choice(images, count, False)
    return np.sort(chosen)


@torch.no_grad()
def calibrate(network: Network, batches: Iterable[Tensor], mode: Mode = ANSWER) -> Network:
    """`network` itself, in which every statistic is now the mean of those of these batches.

    Images are prepared, but not augmented. Of several processes each calibrates by itself. `mode`:
    how it is computed otherwise than it answers.
    """
    seen = 0
    for images in batches:
        seen += 1
        network(images, replace(mode, statistics=1 / seen, alone=True))
    if not seen:
        raise ValueError("there are no images to calibrate on")
    return network
