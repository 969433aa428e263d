"""Two processes learn what one learns, and what goes wrong on one is an error on both.

This file is also the program that is started: `python test_ranks.py FOLDER`. It forks the ranks of
every scenario, for to import torch takes seconds; each leaves what it found in the folder.
"""

from __future__ import annotations

import importlib
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels import gate
from trainers.data.images import Whole
from trainers.learning import checkpoint, ranks
from trainers.learning.objective import Single
from trainers.learning.recipe import Optimizer, Recipe, Stage
from trainers.learning.state import Keep
from trainers.learning.task import Classification
from trainers.learning.train import Progress, train
from trainers.networks.mode import Mode

CPU = torch.device("cpu")
TASK = Classification((0.5,), (0.25,))
SGD = Stage(name="sgd", epochs=3, optimizer=Optimizer.SGD, rate=0.1, decay=1e-3)
ADAM = Stage(name="adam", epochs=3, optimizer=Optimizer.ADAM, rate=0.01)
RECIPE = Recipe(
    name="test",
    binarizer="plain",
    batch=12,
    stages=(SGD, ADAM),
    augmentation=("shift", "flip", "cutout"),
    average=0.9,
    clip=1.0,
)
# Weights are about 1. A sum of 12 gradients is rounded otherwise than two sums of 6, by 1e-7 or so
# at each of 48 steps; Adam turns small gradients into whole steps, and lets that grow: 3e-7 here.
BOUND = 1e-5


class Plain(nn.Module):
    """Without batch norm: its statistics would be each rank's own. `rare` and `never` lie idle."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(4, 1, 3, 3, generator=generator) / 2)
        self.head = nn.Linear(4, 3)
        nn.init.normal_(self.head.weight, generator=generator)
        nn.init.zeros_(self.head.bias)
        self.rare = nn.Parameter(torch.ones(3))
        self.never = nn.Parameter(torch.ones(3))

    def forward(self, images: Tensor, mode: Mode) -> Tensor:
        return self.head(F.relu(F.conv2d(images, self.weight)).mean((2, 3)))


def images() -> Whole:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (96, 8, 8, 1), dtype=np.uint8)
    return Whole(pixels, rng.integers(0, 3, 96))


def learn(module: nn.Module, keep: Keep, recipe: Recipe = RECIPE) -> Iterator[Progress]:
    return train(Single(module, TASK, recipe), TASK, images(), recipe, keep)


def to_the_end(folder: Path) -> None:
    module = Plain()
    *_, last = learn(module, Keep(seed=0))
    checkpoint.save_weights(folder / f"{ranks.rank()}", module, {"loss": repr(last.loss)})


def stopped_and_resumed(folder: Path) -> None:
    keep = Keep(seed=0, file=folder / "checkpoint")
    first = learn(Plain(), keep)
    assert [p.step for p in itertools.islice(first, 30)][-1] == 30
    first.close()
    torch.distributed.barrier()  # the first rank writes, the second reads
    module = Plain()
    steps = learn(module, keep)
    assert next(steps).step == 31
    for _ in steps:
        pass
    checkpoint.save_weights(folder / f"{ranks.rank()}", module, {})


def torn_on_one(folder: Path) -> None:
    """Each with a file of its own, as on two machines."""
    file = folder / f"checkpoint{ranks.rank()}"
    steps = learn(Plain(), Keep(seed=0, file=folder / "checkpoint0"))
    next(steps)
    steps.close()
    torch.distributed.barrier()
    if ranks.rank() == 1:
        file.write_bytes((folder / "checkpoint0").read_bytes()[:-1])
    next(learn(Plain(), Keep(seed=0, file=file)))


def missing_gradients(folder: Path) -> None:
    module, me = Plain(), ranks.rank()
    parameters = list(module.parameters())
    module.weight.grad = torch.full_like(module.weight, 1.0 + me)
    if me == 1:
        module.rare.grad = torch.full_like(module.rare, 3.0)
    loss = ranks.mean_gradients(parameters, 10.0 + me)
    assert loss == 10.5
    assert bool((module.weight.grad == 1.5).all())
    assert module.rare.grad is not None
    assert bool((module.rare.grad == 1.5).all())
    assert module.never.grad is None


def an_infinite_loss_on_one(folder: Path) -> None:
    class Exploding(Plain):
        def forward(self, images: Tensor, mode: Mode) -> Tensor:
            return super().forward(images, mode) / (1 - ranks.rank())

    for _ in learn(Exploding(), Keep(seed=0)):
        pass


def other_weights(folder: Path) -> None:
    next(learn(Plain(seed=ranks.rank()), Keep(seed=0)))


def another_seed(folder: Path) -> None:
    next(learn(Plain(), Keep(seed=ranks.rank())))


def an_uneven_batch(folder: Path) -> None:
    ranks.rows(13)


def what_any_of_them_says(folder: Path) -> None:
    me = ranks.rank()
    answers = [ranks.any_of(mine) for mine in (False, me == 0, me == 1, True)]
    assert answers == [False, True, True, True]


def a_step_while_another_process_measures(folder: Path) -> None:
    """It is the first rank that waits for whoever measures, and the second for the first."""
    os.environ["BNN_GATE"] = str(folder / "locks")
    if ranks.rank() == 0 and os.fork() == 0:
        with gate.alone():
            (folder / "measures").touch()
            time.sleep(0.5)
            (folder / "measured").write_text(repr(time.monotonic()))
        os._exit(0)
    while not (folder / "measures").exists():
        time.sleep(0.01)
    with ranks.working():
        began = time.monotonic()
    assert began > float((folder / "measured").read_text())


SCENARIOS = {
    function.__name__: function
    for function in (
        to_the_end,
        stopped_and_resumed,
        torn_on_one,
        missing_gradients,
        an_infinite_loss_on_one,
        other_weights,
        another_seed,
        an_uneven_batch,
        what_any_of_them_says,
        a_step_while_another_process_measures,
    )
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    importlib.import_module("torch._dynamo")  # optimizers do, and it takes longest
    os.waitpid(forked(folder / "alone", "to_the_end", 0, 1), 0)
    for name in SCENARIOS:
        for child in [forked(folder / name, name, rank, 2) for rank in range(2)]:
            os.waitpid(child, 0)
    port = a_free_port()
    for child in [as_torchrun_starts_it(folder / "torchrun", rank, port) for rank in range(2)]:
        os.waitpid(child, 0)


def forked(folder: Path, name: str, rank: int, world: int) -> int:
    folder.mkdir(exist_ok=True)
    if child := os.fork():
        return child
    init = f"file://{folder / 'meet'}"
    together = ranks.group(CPU, init, rank, world) if world > 1 else nullcontext()
    with leaving_what_was_said(folder / f"said{rank}"), together:
        SCENARIOS[name](folder)
    os._exit(0)


@contextmanager
def leaving_what_was_said(file: Path) -> Iterator[None]:
    """What was raised is left as text; so nothing is said of a rank that went well."""
    try:
        yield
        said = "done"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    file.write_text(said)


def as_torchrun_starts_it(folder: Path, rank: int, port: int) -> int:
    """A process with the environment that torchrun gives to each."""
    folder.mkdir(exist_ok=True)
    if child := os.fork():
        return child
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    with leaving_what_was_said(folder / f"said{rank}"):
        with ranks.started_together(CPU) as device:
            assert device == CPU
            assert (ranks.rank(), ranks.world()) == (rank, 2)
            to_the_end(folder)
        assert ranks.world() == 1
    os._exit(0)


def a_free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks")
    subprocess.run([sys.executable, __file__, str(path)], check=True, timeout=120)
    return path


def said(folder: Path) -> list[str]:
    return [(folder / f"said{rank}").read_text() for rank in range(2)]


def test_two_processes_learn_what_one_learns(folder: Path) -> None:
    assert said(folder / "to_the_end") == ["done", "done"]
    one, notes = checkpoint.read_weights(folder / "alone" / "0")
    first, loss = checkpoint.read_weights(folder / "to_the_end" / "0")
    second, _ = checkpoint.read_weights(folder / "to_the_end" / "1")
    began = Plain().state_dict()
    assert first.keys() == one.keys()
    for name, weights in one.items():
        assert float((first[name] - weights).abs().max()) < BOUND, name
        assert torch.equal(first[name], second[name]), name
        moved = float((weights - began[name]).abs().max())
        assert moved == 0 if name in ("rare", "never") else moved > 100 * BOUND
    assert float(loss["loss"]) == pytest.approx(float(notes["loss"]), abs=BOUND)


def test_two_processes_resume_and_end_with_the_same_bits(folder: Path) -> None:
    assert said(folder / "stopped_and_resumed") == ["done", "done"]
    whole, _ = checkpoint.read_weights(folder / "to_the_end" / "0")
    for rank in "01":
        resumed, _ = checkpoint.read_weights(folder / "stopped_and_resumed" / rank)
        assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_checkpoint_that_is_torn_on_one_rank_stops_both(folder: Path) -> None:
    whole, torn = said(folder / "torn_on_one")
    wanted = "another of the 2 processes could not go on from its checkpoint, and says why"
    assert whole == f"ValueError: {wanted}"
    assert "checkpoint1: torn, or changed since it was written" in torn


def test_processes_that_torchrun_started_learn_together(folder: Path) -> None:
    assert said(folder / "torchrun") == ["done", "done"]
    wanted, _ = checkpoint.read_weights(folder / "to_the_end" / "0")
    for rank in "01":
        got, _ = checkpoint.read_weights(folder / "torchrun" / rank)
        assert all(torch.equal(got[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("world", [None, "1"])
def test_a_process_that_is_started_alone_stays_alone(
    monkeypatch: pytest.MonkeyPatch, world: str | None
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if world is not None:
        monkeypatch.setenv("WORLD_SIZE", world)
    one_of_many = torch.device("cuda", 1)  # which need not be there
    with ranks.started_together(one_of_many) as device:
        assert device == one_of_many
        assert not torch.distributed.is_initialized()


def test_several_processes_cannot_be_sent_to_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    together = ranks.started_together(torch.device("cuda", 1))
    with pytest.raises(ValueError, match="takes a GPU of its own; got cuda:1"), together:
        pass


def test_a_gradient_that_only_one_has_is_shared_and_one_that_none_has_is_none(
    folder: Path,
) -> None:
    assert said(folder / "missing_gradients") == ["done", "done"]


def test_a_loss_that_is_no_number_on_one_rank_stops_both(folder: Path) -> None:
    for text in said(folder / "an_infinite_loss_on_one"):
        assert text.startswith(("Diverged: the loss is nan at step 1", "Diverged: the loss is inf"))


@pytest.mark.parametrize("what", ["other_weights", "another_seed"])
def test_ranks_that_begin_differently_are_an_error(folder: Path, what: str) -> None:
    wanted = "ValueError: the 2 processes do not begin with the same training, step and weights"
    assert said(folder / what) == [wanted, wanted]


def test_a_batch_that_cannot_be_shared_evenly_is_an_error(folder: Path) -> None:
    wanted = "ValueError: a batch of 13 cannot be shared evenly by 2 processes"
    assert said(folder / "an_uneven_batch") == [wanted, wanted]


def test_what_any_rank_says_all_of_them_hear(folder: Path) -> None:
    assert said(folder / "what_any_of_them_says") == ["done", "done"]
    assert [ranks.any_of(mine) for mine in (True, False)] == [True, False]  # alone


def test_a_step_begins_on_no_rank_while_another_process_measures(folder: Path) -> None:
    assert said(folder / "a_step_while_another_process_measures") == ["done", "done"]


def test_alone_all_rows_are_mine_and_gradients_stay() -> None:
    module = Plain()
    module.weight.grad = torch.ones_like(module.weight)
    assert (ranks.rank(), ranks.world(), ranks.rows(13)) == (0, 1, slice(0, 13))
    assert ranks.mean_gradients(list(module.parameters()), 2.5) == 2.5
    assert bool((module.weight.grad == 1).all())
    assert module.never.grad is None
    ranks.agree("anything", b"this")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
