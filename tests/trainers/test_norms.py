"""Batch norms that several processes compute together, and the networks that have them.

This file is also the program that is started: `python test_norms.py FOLDER RANK WORLD`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from search_spaces.backbones import find_backbone
from search_spaces.known import known
from search_spaces.spaces import SPACES
from trainers.learning import ranks
from trainers.learning.objective import Single
from trainers.learning.recipes import RECIPES
from trainers.learning.sandwich import Drawn, Sampling, Sandwich
from trainers.learning.task import Classification
from trainers.networks import fused
from trainers.networks.mode import Mode
from trainers.networks.network import network
from trainers.networks.norms import Norm, batch_norm
from trainers.networks.supernet import Supernet

TASK = Classification((0.5,), (0.25,))
BATCH = 64
TOGETHER, ALONE = Mode(statistics=0.1), Mode(statistics=0.1, alone=True)
# Of losses and gradients, beside the largest of them. A sum over 64 images is rounded otherwise
# than two sums over 32. In float32 that is enough to flip a sign here and there, and then that
# image is another one to all layers behind; float64 shows that rounding is all that differs.
BOUND = 1e-9


def batch() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, 1, 8, 8, generator=rng), torch.randint(10, (BATCH,), generator=rng)


def one_norm(rows: slice) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    x = (torch.randn(BATCH, 5, 3, 3, generator=rng) * 3 + 5)[rows].requires_grad_()
    half = Norm(torch.ones(5), torch.zeros(5), torch.zeros(5), torch.ones(5))
    in_half = batch_norm(x.detach().bfloat16(), half, 0.3)
    mine = Norm(torch.ones(5), torch.zeros(5), torch.zeros(5), torch.ones(5))
    alone = batch_norm(x.detach(), mine, 0.3, alone=True)
    gamma, beta = (torch.randn(5, generator=rng).requires_grad_() for _ in range(2))
    norm = Norm(gamma, beta, torch.zeros(5), torch.ones(5))
    y = batch_norm(x, norm, 0.3)
    wish = torch.randn(BATCH, 5, 3, 3, generator=rng)[rows]
    (y * wish).mean().backward()
    ranks.mean_gradients([gamma, beta], 0.0)
    assert x.grad is not None
    assert gamma.grad is not None
    assert beta.grad is not None
    # x belongs to this rank alone, and the loss is a mean over all: hence the share.
    return {
        "y": y.detach(),
        "x": x.grad / ranks.world(),
        "gamma": gamma.grad,
        "beta": beta.grad,
        "mean": norm.mean,
        "variance": norm.variance,
        "half": in_half.float(),
        "half mean": half.mean,
        "alone": alone,
    }


def one_step(rows: slice) -> dict[str, Tensor]:
    images, labels = (part[rows] for part in batch())
    images = images.double()
    digits, recipe, found = find_backbone("digits"), RECIPES["fast"], {}
    for name in ("real", "groupnet-k3-gates", "abcnet-3x3"):
        net = network(known(name, digits)).double()
        loss = Single(net, TASK, recipe).learn(images, labels, Mode(statistics=0.1), 0)
        parameters = dict(net.named_parameters())
        loss = ranks.mean_gradients(list(parameters.values()), loss)
        found[f"{name} loss"] = torch.tensor([loss])
        found |= {f"{name} {n}": p.grad for n, p in parameters.items() if p.grad is not None}
        found |= {f"{name} {n}": b for n, b in net.named_buffers()}
    space = SPACES["groupnet"](digits)
    net = Supernet(space).double()
    drawn = Drawn(space, Sampling(), steps=9, seed=0)
    Sandwich(net, TASK, recipe, drawn).learn(images, labels, Mode(statistics=0.1), 3)
    parameters = dict(net.named_parameters())
    ranks.mean_gradients(list(parameters.values()), 0.0)
    return found | {f"supernet {n}": p.grad for n, p in parameters.items() if p.grad is not None}


def main(folder: Path, rank: int, world: int) -> None:
    torch.set_num_threads(1)
    with ranks.group(torch.device("cpu"), f"file://{folder}/meet", rank, world):
        rows = ranks.rows(BATCH)
        served = [fused.serves(torch.zeros(1), mode) for mode in (TOGETHER, ALONE)]
        found = {"norm": one_norm(rows), "step": one_step(rows), "served": torch.tensor(served)}
        torch.save(found, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    started = [
        subprocess.Popen([sys.executable, __file__, str(folder), str(rank), "2"])
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_two_processes_normalise_a_batch_as_one_does(
    found: list[dict[str, dict[str, Tensor]]],
) -> None:
    whole = one_norm(slice(None))
    mine, others = (part["norm"] for part in found)
    for name, wanted in whole.items():
        if name == "alone":
            continue
        got = torch.cat([mine[name], others[name]]) if name in ("y", "x", "half") else mine[name]
        close = {"rtol": 2e-2, "atol": 2e-2} if name == "half" else {"rtol": 1e-4, "atol": 1e-6}
        torch.testing.assert_close(got, wanted, msg=name, **close)


def test_a_process_can_normalise_by_its_own_images(
    found: list[dict[str, dict[str, Tensor]]],
) -> None:
    for part in found:
        mean = part["norm"]["alone"].mean((0, 2, 3))
        torch.testing.assert_close(mean, torch.zeros(5), rtol=0, atol=1e-5)


def test_of_several_processes_each_learns_in_the_core_only_alone(
    found: list[dict[str, dict[str, Tensor]]],
) -> None:
    """The kernels know the images of one process."""
    assert [part["served"].tolist() for part in found] == [[False, True]] * 2  # type: ignore[attr-defined]


def test_two_processes_find_the_gradients_that_one_finds(
    found: list[dict[str, dict[str, Tensor]]],
) -> None:
    torch.set_num_threads(1)
    alone = one_step(slice(None))
    mine, others = (part["step"] for part in found)
    assert set(mine) == set(others) == set(alone)
    for name, wanted in alone.items():
        if "mean" not in name and "variance" not in name:
            assert torch.equal(mine[name], others[name]), name
        apart = (mine[name] - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6)
        assert apart < BOUND, f"{name}: {apart:.1e}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
