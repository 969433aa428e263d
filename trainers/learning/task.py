"""What is learnt, and how it is judged. Nothing else in training knows which task it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainers.learning.augment import Draws, augment


class Task(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def metric(self) -> str:
        """What `correct` divided by the number of images is called."""
        ...

    def prepare(self, pixels: NDArray[np.uint8] | Tensor) -> Tensor:
        """(n, height, width, channels) of 0 to 255, as the float tensor that networks take."""
        ...

    def augment(
        self, images: Tensor, labels: Tensor, names: Sequence[str], draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Images before `prepare`, and labels, which move along where they have places."""
        ...

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """The mean over the batch."""
        ...

    def distilled(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """How far the outputs are from those of a teacher, as a mean over the batch."""
        ...

    def correct(self, outputs: Tensor, labels: Tensor) -> float:
        """Summed over the batch."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """One class for each image. `mean` and `std` are of each channel, with white at 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    name: str = "classify"
    metric: str = "accuracy"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(std > 0 for std in self.std):
            raise ValueError(
                f"a mean and a std above 0 for each channel are wanted; "
                f"got {self.mean} and {self.std}"
            )

    def prepare(self, pixels: NDArray[np.uint8] | Tensor) -> Tensor:
        """(n, channels, height, width) in channels_last: nothing moves, only the names of axes."""
        images = torch.from_numpy(pixels) if isinstance(pixels, np.ndarray) else pixels
        if images.ndim != 4 or images.shape[3] != len(self.mean):
            raise ValueError(
                f"images of (n, height, width, {len(self.mean)}) are wanted; "
                f"got {tuple(images.shape)}"
            )
        mean = 255 * torch.tensor(self.mean, device=images.device)
        std = 255 * torch.tensor(self.std, device=images.device)
        return ((images - mean) / std).permute(0, 3, 1, 2)

    def augment(
        self, images: Tensor, labels: Tensor, names: Sequence[str], draws: Draws
    ) -> tuple[Tensor, Tensor]:
        return augment(images, names, draws), labels

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        return F.cross_entropy(outputs, labels, label_smoothing=smoothing)

    def distilled(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Cross-entropy with the teacher's probabilities, both softened; times temperature
        squared, so that gradients stay of one size."""
        soft = (teacher.float() / temperature).softmax(1)
        return F.cross_entropy(outputs.float() / temperature, soft) * temperature**2

    def correct(self, outputs: Tensor, labels: Tensor) -> float:
        return float((outputs.argmax(1) == labels).sum())
