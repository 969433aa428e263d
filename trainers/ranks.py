"""Several processes that learn one network: each takes its rows of a batch, gradients are averaged.

Without a process group there is one rank, and every function here does nothing or the obvious.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextmanager
def group(
    device: torch.device, init: str = "env://", rank: int = -1, world: int = -1
) -> Iterator[None]:
    """Within it this process is one of `world`. As torchrun starts them, nothing need be said."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, init, rank=rank, world_size=world)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


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
    if world() == 1:
        return
    number = int.from_bytes(hashlib.sha256(mine).digest()[:7], "little")
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    least = torch.tensor([number, -number], dtype=torch.int64, device=device)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    if int(least[0]) != -int(least[1]):
        raise ValueError(f"the {world()} processes do not begin with the same {what}")


def _flat(grad: Tensor) -> Tensor:
    """At least float32, in which sums of many small numbers come out."""
    return grad.detach().reshape(-1).to(torch.promote_types(grad.dtype, torch.float32))
