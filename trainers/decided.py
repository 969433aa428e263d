"""What a network decides, image by image: to be held beside what its packed program decides."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from kernels import gate
from trainers.data.images import Images
from trainers.learning.task import Task
from trainers.networks.network import Network

BATCH = 256


@torch.no_grad()
def decided(net: Network, task: Task, images: Images) -> NDArray[np.int64]:
    """The number of the class of each, in the order they lie in. On the CPU, as programs run."""
    found = []
    for first in range(0, len(images), BATCH):
        with gate.working():
            pixels = images.take(np.arange(first, min(first + BATCH, len(images))))
            found.append(net(task.prepare(pixels)).argmax(1).numpy())
    return np.concatenate(found)
