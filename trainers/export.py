"""From a trained network to a packed program: norms folded, weights as bits, mixings as constants.

What is packed is what answers: `Network` without a mode computes these very numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels import bits, model
from kernels.about import About
from kernels.engine import Engine
from kernels.flow import Value, flow
from kernels.ops import Affine, BinaryConv, Linear, Mix, RealConv
from kernels.parameters import Array, Parameters
from kernels.program import Normal, Program
from search_spaces.plan import Step
from search_spaces.text import to_text
from trainers.job import Trained
from trainers.learning.task import Classification
from trainers.networks import epilogue
from trainers.networks.abc import thresholds as abc_thresholds
from trainers.networks.mode import ANSWER
from trainers.networks.network import Network, answering, mixing, run, signs_of
from trainers.networks.parameters import Bank


def packed(net: Network, task: Classification | None = None) -> Program:
    """The program of a network. With a task it takes images of 0 to 255, too."""
    (output,) = net.plan.outputs
    return Program(
        values=net.plan.values,
        nodes=tuple(step.node for step in net.plan.steps),
        parameters=tuple(_parameters(step, net) for step in net.plan.steps),
        output=output,
        normal=None if task is None else normal(task),
    )


def normal(task: Classification) -> Normal:
    """As `prepare` computes it, in float32."""
    mean, std = (255 * torch.tensor(row) for row in (task.mean, task.std))
    return Normal(tuple(mean.tolist()), tuple(std.tolist()))


@torch.no_grad()
def _parameters(step: Step, net: Network) -> Parameters:
    op, bank = step.op, net.bank
    arrays: dict[str, Array | None] = {}
    match op:
        case BinaryConv():
            weights, scales, alphas = answering(step, op, bank, net.binarizer)
            arrays["weights"] = bits.pack(weights.cpu().numpy().astype(np.int8))
            arrays |= _folded(epilogue.fold(step, op, bank, scales, alphas))
        case RealConv():
            assert step.source is not None
            arrays["weights"] = _array(bank.whole(step.source, "weight"))
            arrays |= _folded(epilogue.fold(step, op, bank, None))
        case Affine():
            arrays |= _folded(epilogue.fold(step, op, bank, None))
        case Linear():
            assert step.source is not None
            arrays["weights"] = _array(bank.whole(step.source, "weight"))
            arrays["bias"] = _array(bank.whole(step.source, "bias"))
        case Mix():
            blend, sums = mixing(step, op, bank)
            arrays["blend"] = None if blend is None else _array(blend)
            arrays["sums"] = None if sums is None else _array(sums)
        case _:
            pass
    if step.bits is not None:
        arrays["thresholds"] = _levels(step, bank)
    return {name: array for name, array in arrays.items() if array is not None}


def _folded(folded: epilogue.Folded) -> dict[str, Array | None]:
    rows = folded._asdict()
    return {name: None if row is None else _array(row) for name, row in rows.items()}


def _levels(step: Step, bank: Bank) -> Array:
    """(sets, signs, channels)"""
    signs, form = signs_of(step), flow(step.op)
    assert form.bits is not None
    shape = (form.bits.sets // signs, signs, form.bits.channels)
    if step.thresholds is None:
        return np.zeros(shape, np.float32)
    if step.thresholds.latent:
        shifts = bank.whole(step.thresholds, "shifts")[:signs]
        levels = _array(abc_thresholds(shifts))[:, None]
    else:
        levels = _array(bank.rows(step.thresholds, "threshold"))[:, None]
    return np.ascontiguousarray(np.broadcast_to(levels, shape))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a program answers beside its network, on the same images.

    A program sums the real convolutions in another order than torch, so a number next to its
    threshold may fall on the other side, and that may change what follows.
    """

    images: int
    decisions: int  # images that the two decide differently
    signs: int  # of all signs between layers
    flips: int  # that differ, those that follow from others too
    largest: float  # difference of an output

    @property
    def apart(self) -> float:
        return self.decisions / self.images

    def __str__(self) -> str:
        return (
            f"{self.decisions} of {self.images:,} images decided differently; "
            f"{self.flips:,} of {self.signs:,} signs differ; outputs by {self.largest:.2g} at most"
        )


def compared(
    net: Network, engine: Engine, task: Classification, pixels: Iterable[NDArray[np.uint8]]
) -> Agreement:
    """On batches of images, (n, height, width, channels) of 0 to 255 each."""
    images = decisions = signs = flips = 0
    largest = 0.0
    for batch in pixels:
        prepared = task.prepare(batch)
        theirs, wanted = signs_and_answer(net, prepared)
        floats = np.ascontiguousarray(prepared.permute(0, 2, 3, 1).numpy())
        values = engine.values(batch if engine.program.pixels else floats)
        mine = engine.run(batch)
        decisions += int((mine.argmax(-1) != wanted.argmax(-1)).sum())
        largest = max(largest, float(np.abs(mine - wanted).max()))
        images += len(batch)
        for value, packed_signs in theirs.items():
            signs += len(batch) * net.plan.values[value].sets * _numbers(net.plan.values[value])
            flips += int(np.bitwise_count(packed_signs ^ values[value]).sum())
    if not images:
        raise ValueError("there are no images to compare on")
    return Agreement(images, decisions, signs, flips, largest)


def _numbers(value: Value) -> int:
    return value.height * value.width * value.channels


@torch.no_grad()
def signs_and_answer(
    net: Network, images: Tensor
) -> tuple[dict[int, NDArray[np.uint8]], NDArray[np.float32]]:
    """All signs on the way, packed, and the answer (batch, ..., classes)."""
    seen: dict[int, NDArray[np.uint8]] = {}

    def watch(value: int, maps: list[Tensor]) -> None:
        if net.plan.values[value].bits:
            arrays = [x.permute(0, 2, 3, 1).numpy().astype(np.int8) for x in maps]
            seen[value] = bits.pack(np.stack(arrays))

    answer = run(net.plan, net.bank, net.binarizer, images, ANSWER, watch)
    answer = answer.permute(0, 2, 3, 1) if answer.ndim == 4 else answer
    return seen, answer.numpy()


def about(found: Trained) -> About:
    """What a file says of a network that was trained. The test split has the word, where asked."""
    scores = [(what, found.result[what]) for what in ("test", "selection") if what in found.result]
    what, score = scores[0] if scores else ("", None)
    return About(
        arch=to_text(found.arch),
        key=found.arch.key,
        labels=tuple(found.result["data"]["classes"]),
        made_by=f"binary-nas {version('binary-nas')}",
        accuracy=None if score is None else score["correct"] / score["count"],
        data=f"{found.data}, {what} split" if what else found.data,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def written(
    program: Program, path: Path, about: About, agreement: Agreement, allowed: float
) -> None:
    """Refuses where more decisions differ than `allowed`, a share of the images."""
    if agreement.apart > allowed:
        raise ValueError(
            f"{path} is not written: {agreement}; that is {agreement.apart:.2%}, "
            f"and {allowed:.2%} are allowed"
        )
    model.save(program, path, about)
