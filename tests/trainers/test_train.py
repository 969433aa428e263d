"""The loop: what is killed goes on and ends with the same bits; what cannot go on says why.

This file is also the program that the test of kill -9 starts: `python test_train.py FOLDER`.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.text import parse
from trainers.data.images import Images, Whole
from trainers.data.sets import load
from trainers.learning import batches, checkpoint
from trainers.learning.augment import Draws, augment
from trainers.learning.objective import Single
from trainers.learning.optimizers import optimizer_of, parameter_groups
from trainers.learning.recipe import Optimizer, Recipe, Schedule, Stage
from trainers.learning.recipes import SMOKE
from trainers.learning.score import score
from trainers.learning.state import Diverged, Keep
from trainers.learning.task import Classification
from trainers.learning.train import Precision, Progress, train
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.mode import ANSWER, Mode
from trainers.networks.network import network

TASK = Classification((0.5,), (0.25,))


class Small(nn.Module):
    """A convolution, a batch norm that obeys the mode, and a linear layer."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_parameter("conv/weight", _normal((channels, 1, 3, 3), generator))
        self.register_parameter("norm/gamma", nn.Parameter(torch.ones(channels)))
        self.register_parameter("norm/beta", nn.Parameter(torch.zeros(channels)))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_parameter("head/weight", _normal((3, channels), generator))
        self.register_parameter("unused", nn.Parameter(torch.ones(2)))
        self.modes: list[Mode] = []

    def forward(self, images: Tensor, mode: Mode) -> Tensor:
        self.modes.append(mode)
        p = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        x = F.conv2d(images, p["conv/weight"])
        learning = mode.statistics is not None
        x = F.batch_norm(
            x, p["mean"], p["variance"], p["norm/gamma"], p["norm/beta"],
            learning, mode.statistics or 0.0,
        )  # fmt: skip
        return F.linear(F.relu(x).mean((2, 3)), p["head/weight"])


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=generator) / 2)


def images(n: int = 90) -> Images:
    """Three classes, told apart by the direction of their stripes."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    stripes = np.indices((8, 8)) // 2 % 2
    patterns = np.stack([stripes[0], stripes[1], stripes[0] ^ stripes[1]])
    pixels = 160 * patterns[labels] + rng.integers(0, 90, (n, 8, 8))
    return Whole(pixels[..., None].astype(np.uint8), labels.astype(np.int64))


SGD = Stage(name="sgd", epochs=2, optimizer=Optimizer.SGD, rate=0.1, warm_up=0.2, decay=1e-3)
ADAM = Stage(name="adam", epochs=2, optimizer=Optimizer.ADAM, rate=0.02, schedule=Schedule.LINE)


def recipe(*stages: Stage, **shared: Any) -> Recipe:
    base = Recipe(name="test", binarizer="plain", batch=12, stages=stages or (SGD,))
    return replace(base, **{"augmentation": ("shift", "flip"), **shared})


def steps(module: nn.Module, recipe: Recipe, keep: Keep, **more: Any) -> list[Progress]:
    return list(train(Single(module, TASK, recipe, **more), TASK, images(), recipe, keep))


def trained(recipe: Recipe, keep: Keep | None = None) -> dict[str, Tensor]:
    module = Small()
    steps(module, recipe, keep or Keep(seed=0))
    return module.state_dict()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


BOTH = recipe(replace(SGD, epochs=6), replace(ADAM, epochs=6), average=0.9, clip=1.0)


RUNS = (("broken", 13), ("broken", 61), ("broken", None), ("unbroken", None))


def main(folder: Path) -> None:
    """Each run in a process of its own, forked, for to import torch takes seconds."""
    torch.set_num_threads(1)
    importlib.import_module("torch._dynamo")  # optimizers do, and it takes longest
    for name, kill_at in RUNS:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            to_the_end(folder / name, writing)
            os._exit(0)
        os.close(writing)
        told = []
        while step := os.read(reading, 1):
            told.append(step[0])
            if told[-1] == kill_at:
                os.kill(child, signal.SIGKILL)
        os.close(reading)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{told[0]} {told[-1]} {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def to_the_end(folder: Path, writing: int) -> None:
    """A checkpoint at every step; tells each step as a byte, leaves the weights."""
    module, keep = Small(), Keep(seed=0, file=folder / "checkpoint", every_seconds=0)
    for progress in train(Single(module, TASK, BOTH), TASK, images(), BOTH, keep):
        os.write(writing, bytes([progress.step]))
    checkpoint.save_weights(folder / "weights", module, {})


def test_killed_twice_it_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    """In its first stage (SGD) and in its second (Adam), with averaging and clipping."""
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    runs = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert [status for _, _, status in runs] == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    (first, last, _), (second, later, _), (third, *_), (unbroken, end, _) = runs
    assert first == unbroken == 1
    assert 13 <= last < 45 < 61 <= later < end == BOTH.steps(90) == 90
    assert (last <= second <= last + 1, later <= third <= later + 1) == (True, True)
    kept = [checkpoint.read_weights(tmp_path / f / "weights")[0] for f in ("broken", "unbroken")]
    assert same(*kept)


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("stages", [(SGD,), (ADAM,), (SGD, ADAM)], ids=len)
@pytest.mark.parametrize("stop", [1, 7, 15, 16, 29])
def test_closed_and_called_again_it_ends_with_the_same_bits(
    tmp_path: Path, stages: Sequence[Stage], average: float, stop: int
) -> None:
    how, keep = recipe(*stages, average=average), Keep(seed=0, file=tmp_path / "c")
    stopped = train(Single(module := Small(), TASK, how), TASK, images(), how, keep)
    last = list(itertools.islice(stopped, stop))[-1].step
    stopped.close()
    after = steps(module := Small(), how, keep)
    assert [p.step for p in after] == list(range(last + 1, how.steps(90) + 1))
    assert same(module.state_dict(), trained(how))


def test_what_is_done_stays_done(tmp_path: Path) -> None:
    """Also where the last weights are averages: those are not averaged again."""
    how, keep = recipe(SGD, average=0.9), Keep(seed=0, file=tmp_path / "c")
    running = train(Single(module := Small(), TASK, how), TASK, images(), how, keep)
    *_, last = running
    assert last.step == last.steps == 15
    assert steps(again := Small(), how, keep) == []
    assert same(again.state_dict(), module.state_dict())


def test_closed_at_its_last_step_it_keeps_what_is_not_averaged(tmp_path: Path) -> None:
    how, keep = recipe(SGD, average=0.9), Keep(seed=0, file=tmp_path / "c")
    running = train(Single(module := Small(), TASK, how), TASK, images(), how, keep)
    for _ in range(15):
        next(running)
    running.close()
    saved = checkpoint.load(tmp_path / "c")
    assert saved["step"] == 15
    assert same(saved["average"], module.state_dict())
    assert same(saved["module"], trained(recipe(SGD)))


def test_a_checkpoint_is_written_when_its_time_has_come(tmp_path: Path) -> None:
    file = tmp_path / "c"
    for every, wanted in ((0.0, 2), (3600.0, 0)):
        running = train(
            Single(Small(), TASK, recipe()), TASK, images(), recipe(),
            Keep(seed=0, file=file, every_seconds=every),
        )  # fmt: skip
        next(running), next(running)
        assert (checkpoint.load(file)["step"] if file.exists() else 0) == wanted
        running.close()
        file.unlink()


def test_progress_tells_step_rate_and_stage() -> None:
    told = steps(Small(), recipe(SGD, ADAM), Keep(seed=0))
    assert [(p.step, p.steps, p.stage) for p in told[14:16]] == [(15, 30, "sgd"), (16, 30, "adam")]
    assert told[0].rate == pytest.approx(0.1 / 4)
    assert told[-1].rate == pytest.approx(0.02 / 15)
    assert told[14].loss < told[0].loss
    assert all(p.seconds > 0 for p in told)


def test_the_network_is_computed_as_the_stage_says() -> None:
    module = Small()
    first = replace(SGD, signs=False, binary=False)
    steps(module, recipe(first, ADAM, statistics=0.2), Keep(seed=0))
    modes = module.modes
    assert modes[0] == Mode(statistics=0.2, progress=0.0, signs=False, binary=False)
    assert modes[14] == Mode(statistics=0.2, progress=1.0, signs=False, binary=False)
    assert modes[15] == Mode(statistics=0.2, progress=0.0)


def test_the_seed_decides() -> None:
    assert same(trained(recipe()), trained(recipe()))
    assert not same(trained(recipe()), trained(recipe(), Keep(seed=1)))


@pytest.mark.parametrize(
    ("how", "keep", "said"),
    [
        (recipe(), {"seed": 1}, "seed is 0 there, 1 here"),
        (recipe(), {"of": {"data": "other"}}, "data is abc there, other here"),
        (recipe(clip=1.0), {}, r"recipe is test \(\w{12}\) there, test \(\w{12}\) here"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, how: Recipe, keep: dict[str, Any], said: str
) -> None:
    first = Keep(seed=0, of={"data": "abc"}, file=tmp_path / "c")
    steps(Small(), recipe(), first)
    with pytest.raises(ValueError, match=f"^{first.file} is of another training: {said}"):
        steps(Small(), how, replace(first, **keep))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    keep = Keep(seed=0, file=tmp_path / "c")
    steps(Small(), recipe(), keep)
    with pytest.raises(ValueError, match=f"^{keep.file}: 'conv/weight' is float32 .4, 1"):
        steps(Small(5), recipe(), keep)


def test_a_loss_that_is_no_number_says_when_and_at_what_rate(tmp_path: Path) -> None:
    keep = Keep(seed=0, file=tmp_path / "c")

    class Exploding(Small):
        def forward(self, images: Tensor, mode: Mode) -> Tensor:
            outputs = super().forward(images, mode)
            return outputs * float("nan") if len(self.modes) == 4 else outputs

    with pytest.raises(
        Diverged, match=r"loss is nan at step 4 of 15, in stage 'sgd'; the rate was 0\.1"
    ):
        steps(Exploding(), recipe(), keep)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("poison", ["nan", "inf"])
def test_one_gradient_that_is_no_number_leaves_weights_and_checkpoint_as_they_were(
    tmp_path: Path, poison: str, clip: float
) -> None:
    """With a loss that is one."""
    how, keep = recipe(clip=clip), Keep(seed=0, file=tmp_path / "c", every_seconds=0)

    class Poisoned(Single):
        def learn(self, images: Tensor, labels: Tensor, mode: Mode, step: int) -> float:
            loss = super().learn(images, labels, mode, step)
            if step == 3:
                weight = self.module.get_parameter("head/weight")
                assert weight.grad is not None
                weight.grad[1, 2] = float(poison)
            return loss

    running = train(Poisoned(module := Small(), TASK, how), TASK, images(), how, keep)
    assert [next(running).step for _ in range(3)] == [1, 2, 3]
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    with pytest.raises(Diverged, match=f"length of the gradients is {poison} at step 4 of 15, in"):
        next(running)
    assert same(before, dict(module.named_parameters()))
    saved = checkpoint.load(tmp_path / "c")
    assert saved["step"] == 3
    assert all(bool(t.isfinite().all()) for t in saved["module"].values())


def test_with_decay_only_weights_are_drawn_to_nothing() -> None:
    module = Small()
    decaying, others = (group["params"] for group in parameter_groups(module, 0.1))
    named = dict(module.named_parameters())
    assert [p.shape for p in decaying] == [named[f"{n}/weight"].shape for n in ("conv", "head")]
    assert len(decaying) + len(others) == len(named)
    shapes = {"weight": (2, 3, 3, 3, 4), "mixing": (2, 2), "norm/weight": (3,)}
    five = nn.ParameterDict({name: torch.ones(shape) for name, shape in shapes.items()})
    assert [g["weight_decay"] for g in parameter_groups(five, 0.1)] == [0.1, 0.0]
    assert [len(g["params"]) for g in parameter_groups(five, 0.1)] == [1, 2]


def test_what_has_no_gradient_does_not_move() -> None:
    assert torch.equal(trained(recipe(SGD, ADAM))["unused"], torch.ones(2))


def test_sgd_moves_weights_by_rate_gradient_and_decay() -> None:
    """The first step of a warm-up, at a quarter of the rate; the norm's gamma has no decay."""
    how = recipe(replace(SGD, decay=0.5), augmentation=(), clip=1e-3)
    before, module = dict(Small().named_parameters()), Small()
    next(train(Single(module, TASK, how), TASK, images(), how, Keep(seed=0)))
    moved = {name: before[name].detach() - p.detach() for name, p in module.named_parameters()}
    for name in ("conv/weight", "head/weight"):
        moved[name] -= 0.025 * 0.5 * before[name].detach()
    length = torch.cat([m.flatten() for m in moved.values()]).norm()
    assert float(length) == pytest.approx(0.025 * 1e-3, rel=1e-2)


@pytest.mark.parametrize(("stage", "moved"), [(SGD, 0.1 * (1 + 1.9)), (ADAM, 2 * 0.02)])
def test_two_steps_down_one_slope(stage: Stage, moved: float) -> None:
    """SGD's second is longer by its momentum; Adam's are as long as the rate."""
    module = nn.ParameterDict({"gate": torch.zeros(3)})
    optimizer = optimizer_of(module, stage, 0.9)
    for _ in range(2):
        module["gate"].grad = torch.ones(3)
        optimizer.step()
    torch.testing.assert_close(module["gate"].detach(), torch.full((3,), -moved))


def test_the_average_lags_behind_the_weights() -> None:
    """Computed again here, from the weights after each step."""
    how = recipe(SGD, average=0.8)
    follower, module = Small().state_dict(), Small()
    alone = train(Single(module, TASK, recipe(SGD)), TASK, images(), recipe(SGD), Keep(seed=0))
    for t, _ in enumerate(alone):
        decay = min(0.8, (1 + t) / (10 + t))
        for name, value in module.state_dict().items():
            follower[name] = decay * follower[name] + (1 - decay) * value
    for name, value in trained(how).items():
        torch.testing.assert_close(value, follower[name], rtol=1e-4, atol=1e-6)


def test_a_teacher_is_wanted_by_the_recipe_or_not_there() -> None:
    with pytest.raises(ValueError, match="takes 50% of its loss from a teacher; got none"):
        Single(Small(), TASK, recipe(distillation=0.5))
    with pytest.raises(ValueError, match="takes 0% of its loss from a teacher; got one"):
        Single(Small(), TASK, recipe(), Small())


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_loss_is_shared_between_labels_and_teacher(share: float) -> None:
    how = recipe(distillation=share, temperature=2.0, smoothing=0.1)
    student, teacher = Small(), Small(5)
    x = TASK.prepare(images().take(np.arange(6)))
    labels = torch.tensor(images().labels[:6])
    mode = Mode(statistics=0.1)
    loss = Single(student, TASK, how, teacher).learn(x, labels, mode, 0)
    assert teacher.modes == [ANSWER]
    assert all(p.grad is None for p in teacher.parameters())
    outputs, wanted = Small()(x, mode), teacher(x, ANSWER)
    of_labels, of_teacher = TASK.loss(outputs, labels, 0.1), TASK.distilled(outputs, wanted, 2.0)
    assert loss == pytest.approx(((1 - share) * of_labels + share * of_teacher).item())


def test_bf16_computes_otherwise_but_keeps_float32_weights() -> None:
    how, seen = recipe(ADAM), []

    class Looking(Small):
        def forward(self, images: Tensor, mode: Mode) -> Tensor:
            outputs = super().forward(images, mode)
            seen.append(outputs.dtype)
            return outputs

    objective = Single(module := Looking(), TASK, how)
    told = list(train(objective, TASK, images(), how, Keep(seed=0), Precision.BF16))
    assert set(seen) == {torch.bfloat16}
    assert {t.dtype for t in module.state_dict().values()} == {torch.float32}
    assert told[-1].loss < told[0].loss
    assert not same(module.state_dict(), trained(how))


def test_images_of_a_batch_are_those_of_the_seed_augmented() -> None:
    """An objective of one's own sees them. Every image comes once in each epoch."""
    seen: list[int] = []
    how = recipe()

    class Looking:
        module: nn.Module = nn.Linear(1, 1)

        def learn(self, images: Tensor, labels: Tensor, mode: Mode, step: int) -> float:
            seen.extend(taken := batches.indices(0, step, 12, 90))
            pixels = torch.from_numpy(every.take(taken))
            changed = augment(pixels, how.augmentation, Draws(0, step, 12, slice(None)))
            assert torch.equal(images, TASK.prepare(changed))
            assert images.is_contiguous(memory_format=torch.channels_last)
            assert labels.tolist() == every.labels[taken].tolist()
            return 0.0

    every = images()
    for _ in train(Looking(), TASK, images(), how, Keep(seed=0)):
        pass
    assert sorted(seen) == sorted(2 * list(range(90)))
    with pytest.raises(ValueError, match="augmentation 'spin' is not one of"):
        steps(Small(), recipe(augmentation=("spin",)), Keep(seed=0))


def test_the_smoke_recipe_teaches_a_binary_network_the_digits() -> None:
    digits = load("digits", held_out=0.3)
    task = Classification(digits.mean, digits.std)
    module = network(parse("digits | 3x1 mean"), binarizer=BINARIZERS[SMOKE.binarizer])
    for _ in train(Single(module, task, SMOKE), task, digits.train, SMOKE, Keep(seed=0)):
        pass
    got = score(module, task, digits.selection)
    assert got.count > 400
    assert got.share > 0.95


if __name__ == "__main__":
    main(Path(sys.argv[1]))
