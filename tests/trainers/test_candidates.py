"""Candidates are scored with weights that several processes read and none may write to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.known import known
from search_spaces.space import Space
from search_spaces.spaces import SPACES
from trainers.asked import Asked, space_for
from trainers.candidates import Candidates, tuning
from trainers.data.images import Subset
from trainers.job import Job, candidate, new_supernet
from trainers.learning.recipes import RECIPES
from trainers.learning.sandwich import Sampling
from trainers.networks.network import Network
from trainers.networks.supernet import Supernet

BACKBONE = "digits+w0.5"
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our own: others may measure on this machine."""
    monkeypatch.setenv("BNN_GATE", str(tmp_path / "locks"))


@pytest.fixture(scope="module")
def job() -> Job:
    """With few images: what is tested does not depend on how many."""
    job = Asked(data="digits", held_out=0.25, recipe="smoke", epochs=1, seed=3).job()
    train = Subset(job.data.train, np.arange(300))
    selection = Subset(job.data.selection, np.arange(100))
    return replace(job, data=replace(job.data, train=train, selection=selection))


@pytest.fixture(scope="module")
def space(job: Job) -> Space:
    return space_for("groupnet", BACKBONE, job)


@pytest.fixture(scope="module")
def supernet(space: Space, job: Job) -> Supernet:
    """Not trained; its norms remember something, of which no candidate may see anything."""
    net, _ = new_supernet(space, job, Sampling())
    generator = torch.Generator().manual_seed(0)
    for name, buffer in net.named_buffers():
        if name.endswith(("mean", "variance")):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return net


@pytest.fixture
def weights(supernet: Supernet) -> Arrays:
    """As they lie in Ray's object store."""
    arrays = {name: t.detach().numpy().copy() for name, t in supernet.state_dict().items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def some(space: Space, count: int = 3) -> list[Arch]:
    rng = Random(0)
    archs = [space.decode(space.sample(rng)) for _ in range(count)]
    return [*archs, known("groupnet-k3-gates", space.backbone)]


def parameters(net: Network) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def test_a_score_is_that_of_the_supernet_itself(
    space: Space, job: Job, supernet: Supernet, weights: Arrays
) -> None:
    candidates = Candidates(space, job, weights)
    for arch in some(space):
        packed = candidates.score(arch)
        torchs = candidate(supernet, arch, job, job.data.selection)
        assert packed.count == torchs.count
        assert packed.correct == torchs.correct
        assert packed.loss == pytest.approx(torchs.loss, rel=1e-5)  # sums in another order


def test_the_order_of_candidates_changes_nothing(space: Space, job: Job, weights: Arrays) -> None:
    archs = some(space)
    forwards, backwards = Candidates(space, job, weights), Candidates(space, job, weights)
    one = {arch: forwards.score(arch) for arch in archs}
    other = {arch: backwards.score(arch) for arch in reversed(archs)}
    assert one == other
    assert len({score.loss for score in one.values()}) == len(archs)


@pytest.mark.parametrize("tune_steps", [0, 2])
def test_nothing_is_written_to_the_weights(
    space: Space, job: Job, weights: Arrays, tune_steps: int
) -> None:
    """Arrays that cannot be written to do not keep torch from it: so they are compared."""
    before = {name: array.copy() for name, array in weights.items()}
    candidates = Candidates(space, job, weights, tune_steps)
    for arch in some(space, 1):
        candidates.score(arch)
        candidates.same_path(arch)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
        held = candidates.supernet.state_dict()[name].numpy()
        assert np.shares_memory(held, array), name


def test_the_extracted_network_is_the_path_of_the_supernet(
    space: Space, job: Job, weights: Arrays
) -> None:
    candidates = Candidates(space, job, weights)
    assert all(candidates.same_path(arch) for arch in some(space))


def test_a_network_that_is_no_path_of_the_supernet_is_found_out(
    space: Space, job: Job, weights: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign of a single weight is another."""
    candidates, arch = Candidates(space, job, weights), some(space)[0]
    extract = candidates.supernet.extract

    def wrong(arch: Arch, *, copied: bool = True) -> Network:
        net = extract(arch, copied=copied)
        with torch.no_grad():
            next(p for n, p in net.named_parameters() if "conv1" in n).view(-1)[0] *= -1
        return net

    monkeypatch.setattr(candidates.supernet, "extract", wrong)
    assert not candidates.same_path(arch)


def test_tuning_changes_a_copy_and_the_same_seed_gives_the_same(
    space: Space, job: Job, weights: Arrays
) -> None:
    arch = some(space)[0]
    plain = parameters(Candidates(space, job, weights).network(arch))
    tuned = parameters(Candidates(space, job, weights, 3).network(arch))
    again = parameters(Candidates(space, job, weights, 3).network(arch))
    other = parameters(Candidates(space, replace(job, seed=4), weights, 3).network(arch))
    moved = [name for name in plain if not torch.equal(plain[name], tuned[name])]
    assert len(moved) > len(plain) / 2
    assert all(torch.equal(tuned[name], again[name]) for name in tuned)
    assert any(not torch.equal(tuned[name], other[name]) for name in tuned)


def test_tuning_is_the_last_stage_at_a_tenth_of_its_rate_for_so_many_steps() -> None:
    for recipe in RECIPES.values():
        tuned = tuning(recipe, 7, 1082)
        (stage,) = tuned.stages
        assert tuned.steps(1082) == 7
        assert stage.name == recipe.stages[-1].name
        assert stage.rate == pytest.approx(0.1 * recipe.stages[-1].rate)
        assert (tuned.distillation, tuned.average, tuned.batch) == (0, 0, recipe.batch)


def test_weights_of_another_space_are_refused(space: Space, job: Job, weights: Arrays) -> None:
    fewer = dict([*weights.items()][:-1])
    narrow = {name: array[..., :1] if array.ndim else array for name, array in weights.items()}
    for wrong in (fewer, {**weights, "more": np.zeros(1)}, narrow):
        with pytest.raises(ValueError, match="not of a supernet of groupnet"):
            Candidates(space, job, wrong)
    other = SPACES["abcnet"](find_backbone("digits"))
    with pytest.raises(ValueError, match="not of a supernet of abcnet"):
        Candidates(other, job, weights)
