"""Scores are sums over all images, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trainers.data.images import Whole
from trainers.learning.score import score
from trainers.learning.task import Classification
from trainers.networks.mode import ANSWER, Mode

TASK = Classification((0.0,), (1 / 255,))  # pixels as they are


def images() -> Whole:
    """Ten images; the first pixel says a class, which is the label for seven of them."""
    pixels = np.zeros((10, 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0] = said = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    return Whole(pixels, np.where(np.arange(10) < 7, said, (said + 1) % 3).astype(np.int64))


def says_the_first_pixel(x: Tensor, mode: Mode) -> Tensor:
    assert mode is ANSWER
    assert not torch.is_grad_enabled()
    return 2 * torch.eye(3)[x[:, 0, 0, 0].round().long()]


@pytest.mark.parametrize("batch", [1, 3, 10, 256])
def test_all_images_count_whatever_the_batch(batch: int) -> None:
    got = score(says_the_first_pixel, TASK, images(), batch=batch)
    certain = -2 + np.log(np.exp(2) + 2)  # the loss where it is right; 2 more where it is not
    assert (got.correct, got.count, got.share) == (7, 10, 0.7)
    assert got.loss == pytest.approx(certain + 2 * 0.3)


def test_the_mode_is_handed_on() -> None:
    seen = []

    def network(x: Tensor, mode: Mode) -> Tensor:
        seen.append(mode)
        return torch.zeros(len(x), 3)

    score(network, TASK, images(), mode=Mode(binary=False))
    assert seen == [Mode(binary=False)]


def test_no_images_is_an_error_and_not_a_score() -> None:
    none = Whole(np.zeros((0, 2, 2, 1), np.uint8), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="no images to score on"):
        score(says_the_first_pixel, TASK, none)
