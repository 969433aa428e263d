"""Images changed at random, a batch at a time: `(n, height, width, channels)`, uint8 or float.

Numbers are drawn for the whole batch, on the CPU, from the seed and the step; each rank uses those
of its rows. So one process and several see the same images, and so does a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.names import unknown
from trainers.learning.seeds import derived

CROP_AREA = (0.08, 1.0)  # of the image; with the ratio: as networks for ImageNet are trained
CROP_RATIO = (3 / 4, 4 / 3)
GAIN = (0.8, 1.2)


class Draws:
    """Random numbers for the rows of a batch that this rank has, a row of them for each image."""

    def __init__(self, seed: int, step: int, batch: int, rows: slice) -> None:
        self._generator = torch.Generator().manual_seed(derived(seed, "augment", step))
        self._batch, self._rows = batch, rows

    def uniform(self, low: float, high: float, columns: int = 1) -> Tensor:
        numbers = torch.rand(self._batch, columns, generator=self._generator)
        return low + (high - low) * numbers[self._rows]

    def whole(self, below: int, columns: int = 1) -> Tensor:
        numbers = torch.randint(below, (self._batch, columns), generator=self._generator)
        return numbers[self._rows]


Augmentation = Callable[[Tensor, Draws], Tensor]


def augment(images: Tensor, names: Sequence[str], draws: Draws) -> Tensor:
    """Each of the named ones, in order. With no names the images themselves."""
    for name in names:
        if name not in AUGMENTATIONS:
            raise unknown("augmentation", name, AUGMENTATIONS)
        images = AUGMENTATIONS[name](images, draws)
    return images


def shift(images: Tensor, draws: Draws) -> Tensor:
    """Moved by up to an eighth of the side, each way; black comes in."""
    n, height, width, _ = images.shape
    up, left = height // 8, width // 8
    padded = F.pad(images, (0, 0, left, left, up, up))
    windows = padded.unfold(1, height, 1).unfold(2, width, 1)  # n, top, left, channels, h, w
    top = draws.whole(2 * up + 1)[:, 0]
    side = draws.whole(2 * left + 1)[:, 0]
    return windows[torch.arange(n), top, side].permute(0, 2, 3, 1)


def flip(images: Tensor, draws: Draws) -> Tensor:
    """Mirrored, left to right, half of them."""
    mirrored = draws.whole(2).to(images.device, torch.bool)
    return torch.where(mirrored[:, :, None, None], images.flip(2), images)


def cutout(images: Tensor, draws: Draws) -> Tensor:
    """A square of half the side goes black; its middle may lie anywhere in the image."""
    _, height, width, _ = images.shape

    def inside(side: int) -> Tensor:
        away = torch.arange(side) - draws.whole(side)
        return ((away >= -(side // 4)) & (away < side - side // 2 - side // 4)).to(images.device)

    hole = inside(height)[:, :, None] & inside(width)[:, None, :]
    return images.masked_fill(hole[..., None], 0)


def jitter(images: Tensor, draws: Draws) -> Tensor:
    """Each channel brighter or darker by up to a fifth: brightness and tint in one."""
    gain = draws.uniform(*GAIN, columns=images.shape[3]).to(images.device)
    return _like(images, images * gain[:, None, None, :])


def resized_crop(images: Tensor, draws: Draws) -> Tensor:
    """A part of the image, 8 % to all of it, nearly square, brought to the size of the whole."""
    shape = images.shape
    area = draws.uniform(*CROP_AREA)[:, 0]
    ratio = draws.uniform(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1]))[:, 0].exp()
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    middle = draws.uniform(-1, 1, columns=2)
    theta = torch.zeros(shape[0], 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = wide, middle[:, 0] * (1 - wide)
    theta[:, 1, 1], theta[:, 1, 2] = high, middle[:, 1] * (1 - high)
    grid = F.affine_grid(theta.to(images.device), [shape[0], 1, *shape[1:3]], align_corners=False)
    values = images.permute(0, 3, 1, 2).float()
    taken = F.grid_sample(values, grid, padding_mode="border", align_corners=False)
    return _like(images, taken.permute(0, 2, 3, 1))


def _like(images: Tensor, values: Tensor) -> Tensor:
    """The values in the images' type: bytes are rounded and kept in their range."""
    if images.dtype == torch.uint8:
        return values.round_().clamp_(0, 255).to(torch.uint8)
    return values.to(images.dtype)


AUGMENTATIONS: dict[str, Augmentation] = {
    "shift": shift,
    "flip": flip,
    "cutout": cutout,
    "jitter": jitter,
    "resized-crop": resized_crop,
}
