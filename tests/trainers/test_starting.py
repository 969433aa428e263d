"""What a network begins with, and what it learns from when nothing is left to choose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from search_spaces.group import branches
from search_spaces.known import find_arch
from search_spaces.text import parse
from trainers.asked import Asked, space_for
from trainers.data.sets import load
from trainers.decided import decided
from trainers.job import (
    TRAINING,
    Job,
    fresh,
    kept,
    kept_supernet,
    new_supernet,
    recalibrated,
    teacher_of,
    trained,
)
from trainers.learning.sandwich import Sampling
from trainers.learning.score import score
from trainers.starting import Start, begun

ARCH = parse("digits | 1x2 mean | 2x3 gate")
ASKED = Asked(data="digits", held_out=0.0, recipe="smoke", epochs=1.0, threads=1)


@pytest.fixture(scope="module")
def job() -> Job:
    return ASKED.job()


@pytest.fixture(scope="module")
def start(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Start:
    home = tmp_path_factory.mktemp("super")
    net, drawn = new_supernet(space_for("groupnet", "digits", job), job, Sampling())
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.add_(0.25)
    kept_supernet(home, net, drawn, job, {})
    return Start(home=home, space="groupnet", backbone="digits")


def test_nothing_is_held_out_where_all_is_learnt_from() -> None:
    every, most = load("digits", held_out=0), load("digits")
    assert len(every.train) == len(most.train) + len(most.selection) == 1442
    assert len(every.selection) == 0
    assert every.digest != most.digest
    assert every.digest == load("digits", held_out=0, seed=7).digest
    pixels = every.train.take(np.arange(1442)) / 255
    assert every.mean == pytest.approx((pixels.mean(),))


def test_the_split_may_have_a_seed_of_its_own() -> None:
    mine = replace(ASKED, held_out=0.1, seed=3)
    digests = {replace(mine, split=split).job().data.digest for split in (0, 3, None)}
    assert len(digests) == 2
    assert replace(mine, split=0).job().data.digest == load("digits", seed=0).digest
    assert replace(mine, split=0).job().seed == 3


def test_weights_of_the_supernet_are_begun_with(job: Job, start: Start) -> None:
    own, anew = begun(ARCH, job, start), begun(ARCH, job, None)
    supernet, _ = new_supernet(space_for("groupnet", "digits", job), job, Sampling())
    for name, tensor in own.bank.named_parameters():
        part = supernet.bank.tensors()[name][tuple(slice(n) for n in tensor.shape)]
        assert torch.equal(tensor, part + 0.25)
    for (name, mine), (_, other) in zip(
        own.bank.named_parameters(), anew.bank.named_parameters(), strict=True
    ):
        assert not torch.equal(mine, other), name
    before = {name: b.clone() for name, b in own.bank.named_buffers()}
    after = dict(recalibrated(own, job).bank.named_buffers())
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "arch", [find_arch("bireal", "digits"), replace(ARCH, groups=(branches(3, 8),), skips=())]
)
def test_what_the_supernet_has_no_weights_for_is_refused(
    arch: object, job: Job, start: Start
) -> None:
    with pytest.raises(ValueError, match=r"has no weights for .*begin from scratch"):
        begun(arch, job, start)  # type: ignore[arg-type]


def test_another_binarizer_is_refused(job: Job, start: Start) -> None:
    other = replace(job, recipe=replace(job.recipe, binarizer="recu"))
    with pytest.raises(ValueError, match=r"learnt with binarizer 'groupnet' and recipe .* 'recu'"):
        begun(ARCH, other, start)


def test_a_pick_says_in_a_file_of_its_own_how_it_was_trained(job: Job, tmp_path: Path) -> None:
    net = fresh(ARCH, job)
    kept(tmp_path, ARCH, net, job, {}, TRAINING)
    (tmp_path / "result.json").write_text(json.dumps({"recipe": "smoke"}))
    assert trained(tmp_path).result["recipe"]["name"] == "smoke@1"
    assert teacher_of(tmp_path, job).plan == net.plan
    part = replace(job, data=load("digits"))
    with pytest.raises(ValueError, match="it would have seen what is held out"):
        teacher_of(tmp_path, part)
    kept(tmp_path / "part", ARCH, net, part, {})
    with pytest.raises(ValueError, match="this is all there is to learn from"):
        teacher_of(tmp_path / "part", job)


def test_decisions_are_those_that_are_scored(job: Job) -> None:
    net, images = recalibrated(fresh(ARCH, job), job), load("digits", held_out=0.4).selection
    found = decided(net, job.task, images)
    assert len(set(found.tolist())) > 2
    assert (found == images.labels).sum() == score(net, job.task, images).correct
