"""Images are changed at random, but by the seed and the step alone, and for all ranks at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainers.learning.augment import AUGMENTATIONS, Draws, augment

every_one = pytest.mark.parametrize("name", AUGMENTATIONS)
every_type = pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)


def images(n: int = 64, height: int = 16, width: int = 16, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        1, 256, (n, height, width, channels), dtype=torch.uint8, generator=generator
    )


def draws(batch: int = 64, rows: slice = slice(None), *, seed: int = 0, step: int = 0) -> Draws:
    return Draws(seed, step, batch, rows)


def test_without_names_the_images_come_back_themselves() -> None:
    before = images()
    assert augment(before, (), draws()) is before


@every_one
@every_type
def test_two_ranks_see_what_one_sees(name: str, dtype: torch.dtype) -> None:
    whole = images().to(dtype)
    halves = (slice(0, 32), slice(32, 64))
    apart = [augment(whole[rows], [name], draws(rows=rows)) for rows in halves]
    together = augment(whole, [name], draws())
    assert torch.equal(torch.cat(apart), together)
    assert together.dtype == dtype
    assert not torch.equal(together, whole)


@every_one
def test_the_step_and_the_seed_decide(name: str) -> None:
    here, again, later, other = (
        augment(images(), [name], draws(seed=seed, step=step))
        for seed, step in ((0, 5), (0, 5), (0, 6), (1, 5))
    )
    assert torch.equal(here, again)
    assert not torch.equal(here, later)
    assert not torch.equal(here, other)


@every_one
@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (1, 5, 7, 1), (2, 9, 4, 3)], ids=str)
def test_any_shape_is_kept_and_the_images_are_not_written_to(
    name: str, shape: tuple[int, int, int, int]
) -> None:
    before = images(*shape)
    copy = before.clone()
    assert augment(before, [name], draws(shape[0])).shape == before.shape
    assert torch.equal(before, copy)


def test_shifted_images_are_windows_of_the_padded_ones() -> None:
    before = images(n=200, height=16, width=8)
    after = augment(before, ["shift"], draws(200))
    padded = torch.zeros(200, 20, 10, 3, dtype=torch.uint8)
    padded[:, 2:18, 1:9] = before
    seen = set()
    for n in range(200):
        places = [
            (y, x)
            for y in range(5)
            for x in range(3)
            if torch.equal(padded[n, y : y + 16, x : x + 8], after[n])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 15  # every shift there is


def test_about_half_of_the_images_are_mirrored_and_the_others_are_not() -> None:
    before = images(n=200)
    after = augment(before, ["flip"], draws(200))
    same = (after == before).flatten(1).all(1)
    mirrored = (after == before.flip(2)).flatten(1).all(1)
    assert torch.equal(same, ~mirrored)
    assert 70 < int(same.sum()) < 130


def test_what_is_cut_out_is_one_square_of_half_the_side() -> None:
    before = images(n=300)
    after = augment(before, ["cutout"], draws(300))
    hole = after == 0
    assert torch.equal(after[~hole], before[~hole])
    assert torch.equal(hole.all(3), hole.any(3))
    high, wide = hole[..., 0].any(2), hole[..., 0].any(1)
    assert torch.equal(hole[..., 0], high[:, :, None] & wide[:, None, :])
    assert int(high.sum(1).max()) == int(wide.sum(1).max()) == 8
    assert int(high.sum(1).min()) == 4  # half of it lies outside at an edge
    assert (high.any(0) & wide.any(0)).all()


def test_jitter_brightens_each_channel_by_up_to_a_fifth() -> None:
    before = torch.full((200, 2, 2, 3), 100.0)
    after = augment(before, ["jitter"], draws(200)) / before
    assert torch.equal(after, after[:, :1, :1].expand_as(after))
    gains = after[:, 0, 0]
    assert 0.8 <= float(gains.min()) < 0.81 < 1.19 < float(gains.max()) <= 1.2
    assert (gains.max(1).values > gains.min(1).values).all()


def test_jittered_bytes_stay_in_their_range() -> None:
    after = augment(torch.full((200, 2, 2, 1), 250, dtype=torch.uint8), ["jitter"], draws(200))
    assert int(after.max()) == 255
    assert int(after.min()) >= 200


def test_a_resized_crop_is_a_part_of_the_image_in_the_same_order() -> None:
    """Of an image whose pixels say where they are."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    before = torch.stack([y, x], 2).expand(400, 32, 32, 2)
    after = augment(before, ["resized-crop"], draws(400))
    top, left = after[:, 0, 0].unbind(1)
    bottom, right = after[:, -1, -1].unbind(1)
    high, wide = (bottom - top) / 31, (right - left) / 31
    assert (after.diff(dim=1)[..., 0] >= -1e-4).all()
    assert (after.diff(dim=2)[..., 1] >= -1e-4).all()
    assert float(after.min()) >= 0
    assert float(after.max()) <= 31
    area, ratio = high * wide, wide / high
    assert 0.07 < float(area.min()) < 0.15
    assert 0.9 < float(area.max()) <= 1.0 + 1e-4
    inner = area < 0.5  # larger ones are cut at the border
    assert 0.73 < float(ratio[inner].min()) < 0.8
    assert 1.25 < float(ratio[inner].max()) < 1.36
    for start, size in ((left, wide), (top, high)):  # from anywhere
        assert float((start / (32 * (1 - size)))[inner].std()) > 0.2


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"augmentation 'flips' is not one of .* mean 'flip'"):
        augment(images(), ["flips"], draws())
