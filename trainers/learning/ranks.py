"""Several processes that learn one network: each takes its rows of a batch, gradients are averaged.

Without a process group there is one rank, and every function here does nothing or the obvious.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn

from kernels import gate


@contextmanager
def started_together(device: torch.device) -> Iterator[torch.device]:
    """Within it, processes that torchrun started are one group; any other process stays alone.

    Gives the device of this one: of several GPUs that of its LOCAL_RANK.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device.type == "cuda":
        if device.index is not None:
            raise ValueError(f"each of several processes takes a GPU of its own; got {device}")
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    with group(device):
        yield device


@contextmanager
def group(
    device: torch.device, init: str = "env://", rank: int = -1, world: int = -1
) -> Iterator[None]:
    """Within it this process is one of `world`, and what it tells the others lies on its device.

    Rank and world are those of the environment where nothing else is said.
    """
    cuda = device.type == "cuda"
    backend, bound = ("nccl", device) if cuda else ("gloo", None)
    if cuda and device.index is None:
        bound = torch.device("cuda", torch.cuda.current_device())
    dist.init_process_group(backend, init, rank=rank, world_size=world, device_id=bound)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def working() -> Iterator[None]:
    """Around a step: it begins when nobody measures on this machine, and on all ranks or on none.

    The first rank waits for the others' sake too: were one held up while another is in its step,
    each would wait for the other.
    """
    with gate.working() if rank() == 0 else nullcontext():
        if world() > 1:
            _least(1)
        yield


def rows(batch: int) -> slice:
    """Those of a batch that are this rank's. All ranks have as many: their means weigh the same."""
    if batch % world():
        raise ValueError(f"a batch of {batch} cannot be shared evenly by {world()} processes")
    each = batch // world()
    return slice(rank() * each, (rank() + 1) * each)


def mean_gradients(parameters: Sequence[nn.Parameter], loss: float) -> float:
    """Gradients become their means over the ranks; returns the mean of the losses.

    All goes in one message. It has room for every parameter, with a gradient or not, so ranks never
    wait for what another does not send; one that has a gradient nowhere stays without.
    """
    if world() == 1:
        return loss
    device = parameters[0].device
    had = torch.tensor([float(p.grad is not None) for p in parameters], device=device)
    grads = [_flat(p.grad if p.grad is not None else torch.zeros_like(p)) for p in parameters]
    message = torch.cat([*grads, had, torch.tensor([loss], device=device, dtype=grads[0].dtype)])
    dist.all_reduce(message)
    *means, had, total = torch.split(message, [*map(len, grads), len(had), 1])
    for parameter, mean, count in zip(parameters, means, had.tolist(), strict=True):
        parameter.grad = (mean / world()).view_as(parameter).to(parameter.dtype) if count else None
    return float(total) / world()


def agree(what: str, mine: bytes) -> None:
    """An error on every rank, unless all of them hold the same: a difference would never show."""
    number = int.from_bytes(hashlib.sha256(mine).digest()[:7], "little")
    least, most = _least(number, -number)
    if least != -most:
        raise ValueError(f"the {world()} processes do not begin with the same {what}")


@contextmanager
def fail_together(what: str) -> Iterator[None]:
    """Where one rank fails within, so do all: they would wait for it otherwise."""
    try:
        yield
    except Exception:
        _least(0)
        raise
    (well,) = _least(1)
    if not well:
        raise ValueError(f"another of the {world()} processes could not {what}, and says why")


def any_of(mine: bool) -> bool:
    """Whether any rank says so; then all of them hear it."""
    return _least(0 if mine else 1) == [0]


def _least(*mine: int) -> list[int]:
    """Of each number the least that a rank has."""
    if world() == 1:
        return [*mine]
    device = "cuda" if dist.get_backend() == dist.Backend.NCCL else "cpu"  # .. the current one
    least = torch.tensor(mine, dtype=torch.int64, device=device)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return least.tolist()


def _flat(grad: Tensor) -> Tensor:
    """At least float32, in which sums of many small numbers come out."""
    return grad.detach().reshape(-1).to(torch.promote_types(grad.dtype, torch.float32))
