"""Classification: what images become, what is lost, what is counted; each against its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainers.learning.augment import Draws
from trainers.learning.task import Classification

TASK = Classification((0.5, 0.4, 0.25), (0.2, 0.1, 0.5))


def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


def logits(seed: int, *, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 5, generator=generator, dtype=dtype) * 3


LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def test_prepared_images_have_mean_and_std_taken_out() -> None:
    got = TASK.prepare(pixels())
    wanted = (pixels() / 255 - np.array(TASK.mean)) / np.array(TASK.std)
    assert got.dtype == torch.float32
    assert got.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(got, wanted.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-5)


def test_tensors_are_prepared_as_arrays_are() -> None:
    assert torch.equal(TASK.prepare(torch.from_numpy(pixels())), TASK.prepare(pixels()))


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"height, width, 3\) are wanted; got \(4, 5, 6, 1\)"):
        TASK.prepare(pixels()[..., :1])


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.0,)), ((0.5,), (0.2, 0.2))])
def test_a_std_of_nothing_is_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a mean and a std above 0 for each channel"):
        Classification(mean, std)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_cross_entropy_with_smoothed_labels(smoothing: float) -> None:
    x = logits(0)
    target = (1 - smoothing) * torch.eye(5, dtype=x.dtype)[LABELS] + smoothing / 5
    wanted = -(target * (x - x.exp().sum(1, keepdim=True).log())).sum(1).mean()
    torch.testing.assert_close(TASK.loss(x, LABELS, smoothing), wanted)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_pulls_towards_the_teachers_probabilities(temperature: float) -> None:
    """Its gradient is the difference of the softened probabilities, times the temperature."""
    x, teacher = logits(1, dtype=torch.float32).requires_grad_(), logits(2, dtype=torch.float32)
    TASK.distilled(x, teacher, temperature).backward()
    p, q = ((z.detach().double() / temperature).softmax(1) for z in (x, teacher))
    wanted = temperature * (p - q) / len(x)
    torch.testing.assert_close(x.grad.double(), wanted, rtol=1e-4, atol=1e-6)


def test_of_two_answers_the_more_certain_right_one_counts() -> None:
    outputs = torch.eye(5)[LABELS]
    assert TASK.correct(outputs, LABELS) == 6
    assert TASK.correct(outputs, torch.tensor([0, 4, 2, 1, 1, 0])) == 4


def test_labels_of_a_classification_stay_when_images_move() -> None:
    draws = Draws(0, 0, 4, slice(None))
    images, labels = TASK.augment(torch.from_numpy(pixels()), LABELS[:4], ["shift"], draws)
    assert labels is not None
    assert torch.equal(labels, LABELS[:4])
    assert images.shape == (4, 5, 6, 3)
