"""A supernet's steps, and what makes a candidate ready to be scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from search_spaces.backbones import find_backbone
from search_spaces.cost import cost
from search_spaces.known import known
from search_spaces.planner import plan
from search_spaces.spaces import SPACES
from search_spaces.text import parse
from trainers.data.sets import load
from trainers.job import Job, candidate, new_supernet, train_supernet
from trainers.learning.calibrate import calibrate, calibration_set
from trainers.learning.recipes import RECIPES
from trainers.learning.sandwich import Drawn, Sampling, Sandwich
from trainers.learning.task import Classification
from trainers.networks.mode import Mode
from trainers.networks.network import network
from trainers.networks.supernet import Supernet

DIGITS = find_backbone("digits")
SPACE = SPACES["groupnet"](DIGITS)
TASK = Classification((0.5,), (0.25,))
LEARN = Mode(statistics=0.1)


def batch(seed: int = 0, count: int = 32) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, 8, 8, generator=rng), torch.randint(10, (count,), generator=rng)


def test_statistics_are_the_mean_of_those_of_every_batch() -> None:
    """Each batch weighs the same, the first and the last; what was there before weighs nothing."""
    net = network(known("groupnet-k1", DIGITS))
    for _, buffer in net.bank.named_buffers():
        buffer.fill_(7.0)
    parts = [batch(seed)[0] for seed in range(4)]
    calibrate(net, parts)
    mean = net.bank.get_buffer("stem/conv1/norm/all/mean")[0]
    weight = net.bank.get_parameter("stem/conv1/all/weight").detach().permute(0, 3, 1, 2)
    maps = [torch.nn.functional.conv2d(part, weight, padding=1) for part in parts]
    torch.testing.assert_close(mean, torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0))
    variance = net.bank.get_buffer("stem/conv1/norm/all/variance")[0]
    wanted = torch.stack([m.transpose(0, 1).flatten(1).var(1) for m in maps]).mean(0)
    torch.testing.assert_close(variance, wanted)


@pytest.mark.parametrize(
    "groups", ["3x2 mean", "3x2 mean rates 1,2", "1x2 mean | 2x2 gate rates 1,2"]
)
def test_calibrated_on_a_batch_it_decides_on_that_batch_as_it_learnt(groups: str) -> None:
    """But where a rounding falls on the other side of a sign."""
    net = network(parse(f"digits | {groups}"))
    images, _ = batch(count=64)
    with torch.no_grad():
        learnt = net(images, Mode(statistics=0.0)).argmax(1)
        answered = calibrate(net, [images])(images).argmax(1)
    assert (learnt != answered).sum() <= 1


def test_calibrating_twice_changes_nothing() -> None:
    net = network(known("groupnet-k3-gates", DIGITS))
    parts = [batch(seed)[0] for seed in range(3)]
    once = {name: b.clone() for name, b in calibrate(net, parts).bank.named_buffers()}
    again = dict(calibrate(net, parts).bank.named_buffers())
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_no_images_to_calibrate_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        calibrate(network(known("bireal", DIGITS)), [])


def test_the_calibration_set_is_fixed_by_the_seed() -> None:
    one = calibration_set(1_000, 50, seed=3)
    np.testing.assert_array_equal(one, calibration_set(1_000, 50, seed=3))
    assert len(set(one.tolist())) == 50
    assert set(one.tolist()) != set(calibration_set(1_000, 50, seed=4).tolist())
    with pytest.raises(ValueError, match="1 to 10 images to calibrate on; got 11"):
        calibration_set(10, 11, seed=0)


def test_each_step_draws_the_largest_the_smallest_and_others() -> None:
    drawn = Drawn(SPACE, Sampling(others=3), steps=10, seed=0)
    steps = [drawn(step) for step in range(10)]
    assert {archs[:2] for archs in steps} == {(drawn.largest, drawn.smallest)}
    assert {len(archs) for archs in steps} == {5}
    assert len({arch for archs in steps for arch in archs[2:]}) > 20
    again = Drawn(SPACE, Sampling(others=3), steps=10, seed=0)
    assert [again(step) for step in reversed(range(10))] == steps[::-1]
    assert [Drawn(SPACE, Sampling(others=3), steps=10, seed=1)(s) for s in range(10)] != steps


def test_widening_begins_with_the_largest_and_ends_with_everything() -> None:
    drawn = Drawn(SPACE, Sampling(others=4, widening=0.5), steps=100, seed=0)

    def least(step: int) -> float:
        return min(cost(plan(arch, DIGITS)).ops for arch in drawn(step))

    low, high = (cost(plan(arch, DIGITS)).ops for arch in (drawn.smallest, drawn.largest))
    assert least(0) > 0.8 * high
    assert drawn.smallest not in drawn(0)
    early, late = np.mean([[least(s), least(s + 30)] for s in range(10)], axis=0)
    assert early > late > low
    assert least(50) == low


def test_what_is_drawn_is_never_smaller_than_widening_wants() -> None:
    space = SPACES["groupnet"](find_backbone("resnet20"))
    drawn = Drawn(space, Sampling(others=3, widening=0.5), steps=100, seed=0)
    low, high = (cost(plan(arch, space.backbone)).ops for arch in (drawn.smallest, drawn.largest))
    for step in (0, 5, 15, 30):
        floor = high - (high - low) * step / 50
        assert all(cost(plan(arch, space.backbone)).ops >= floor for arch in drawn(step))
    assert len(set(drawn(15))) == 4


@pytest.mark.parametrize("bad", [{"others": -1}, {"widening": 1.5}])
def test_a_sampling_that_cannot_be_is_an_error(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more architectures and a share"):
        Sampling(**bad)  # type: ignore[arg-type]


def sandwich(recipe: str = "fast") -> Sandwich:
    drawn = Drawn(SPACE, Sampling(others=1), steps=10, seed=0)
    return Sandwich(Supernet(SPACE), TASK, RECIPES[recipe], drawn)


def test_a_step_is_the_mean_of_its_architectures_and_only_the_largest_sees_labels() -> None:
    step = sandwich()
    images, labels = batch()
    loss = step.learn(images, labels, LEARN, 0)
    grads = {n: p.grad.clone() for n, p in step.module.named_parameters() if p.grad is not None}
    step.module.zero_grad()
    mode = Mode(statistics=0.0)
    archs = step.drawn(0)
    largest = step.supernet(images, archs[0], mode)
    losses = [torch.nn.functional.cross_entropy(largest, labels)]
    for arch in archs[1:]:
        outputs = step.supernet(images, arch, mode)
        losses.append(-(largest.detach().softmax(1) * outputs.log_softmax(1)).sum(1).mean())
    total = sum(losses) / len(losses)
    assert isinstance(total, Tensor)
    total.backward()
    assert loss == pytest.approx(total.item(), rel=1e-6)
    for name, parameter in step.module.named_parameters():
        if name in grads:
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, grads[name], rtol=1e-4, atol=1e-6)


def test_a_teacher_takes_its_share_of_the_loss_of_the_largest() -> None:
    step = sandwich()
    images, labels = batch()
    alone = step.learn(images, labels, LEARN, 0)
    teacher = network(known("real", DIGITS))
    taught = Sandwich(step.supernet, TASK, RECIPES["reactnet"], step.drawn, teacher)
    outputs = step.supernet(images, step.drawn.largest, Mode(statistics=0.0))
    distance = TASK.distilled(outputs, teacher(images), 1.0)
    labelled = TASK.loss(outputs, labels, 0.0)
    wanted = alone + (distance - labelled).item() / len(step.drawn(0))
    assert taught.learn(images, labels, LEARN, 0) == pytest.approx(wanted, rel=1e-5)


def test_a_teacher_nobody_listens_to_is_an_error() -> None:
    step, teacher = sandwich(), network(known("real", DIGITS))
    with pytest.raises(ValueError, match="'fast' takes 0% of its loss from a teacher; got one"):
        Sandwich(step.supernet, TASK, RECIPES["fast"], step.drawn, teacher)
    with pytest.raises(ValueError, match=r"'reactnet' takes 100% .*; got none"):
        Sandwich(step.supernet, TASK, RECIPES["reactnet"], step.drawn)


def test_the_running_statistics_of_a_supernet_stay_where_they_are() -> None:
    step = sandwich()
    before = {name: b.clone() for name, b in step.module.named_buffers()}
    step.learn(*batch(), LEARN, 0)
    assert all(torch.equal(before[n], b) for n, b in step.module.named_buffers())


def test_a_supernet_learns_the_digits_and_its_candidates_are_scored_afresh() -> None:
    recipe = RECIPES["smoke"].shortened(epochs=3)
    job = Job(data=load("digits"), recipe=recipe)
    net, drawn = new_supernet(SPACE, job, Sampling(others=1))
    *_, last = train_supernet(net, drawn, job)
    assert last.step == last.steps == recipe.steps(len(job.data.train))
    before = {name: t.clone() for name, t in net.state_dict().items()}
    scores = [candidate(net, a, job, job.data.selection) for a in (drawn.largest, drawn.smallest)]
    assert scores[0].share > 0.9
    assert scores[1].share > 0.7
    assert candidate(net, drawn.largest, job, job.data.selection) == scores[0]
    assert all(torch.equal(before[n], t) for n, t in net.state_dict().items())


def test_a_supernet_killed_and_resumed_is_bit_equal_to_an_unbroken_one(tmp_path: Path) -> None:
    recipe = RECIPES["smoke"].shortened(epochs=0.4)
    ends = []
    for name, stop in (("whole", None), ("broken", 3)):
        job = Job(data=load("digits"), recipe=recipe, home=tmp_path / name)
        net, drawn = new_supernet(SPACE, job, Sampling())
        steps = train_supernet(net, drawn, job)
        if stop:
            for _ in range(stop):
                next(steps)
            steps.close()
            net, drawn = new_supernet(SPACE, job, Sampling())
            steps = train_supernet(net, drawn, job)
            assert next(steps).step == stop + 1
        for _ in steps:
            pass
        ends.append(net.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
