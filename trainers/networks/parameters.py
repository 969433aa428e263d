"""What the steps of a plan compute with, as tensors with names: `block3/conv1/weight`.

A name comes from the step's `Source`, so that every plan finds the same parameters. Where bases
have their own, they are the rows of one tensor, and a plan that has fewer uses the first of them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor, nn

from kernels.ops import BinaryConv, Blend, Curve, Linear, Mix, Op, Pack, RealConv
from search_spaces.plan import Plan, Source, Step
from trainers.networks.abc import first_shifts
from trainers.networks.binarize import Binarizer, Scale

Shape = tuple[int, ...]


class First(enum.Enum):
    """What a parameter starts as. BUFFER_*: it is not learnt by gradients."""

    NORMAL = enum.auto()  # with a variance of 2 / fan-in, as a ReLU wants it
    ZEROS = enum.auto()
    ONES = enum.auto()
    QUARTERS = enum.auto()
    SHIFTS = enum.auto()
    MAGNITUDES = enum.auto()  # of the weight beside it: the mean per base and filter
    BUFFER_ZEROS = enum.auto()
    BUFFER_ONES = enum.auto()

    @property
    def learnt(self) -> bool:
        return self not in (First.BUFFER_ZEROS, First.BUFFER_ONES)


@dataclass(frozen=True, slots=True)
class Need:
    name: str
    shape: Shape
    first: First


def name_of(source: Source, part: str) -> str:
    """`/all`: one for all bases, beside those that each base has of its own."""
    ways = ("/latent" if source.latent else "") + ("" if source.bases else "/all")
    return f"{source.at}/{source.part.replace('.', '/')}{ways}/{part}"


def needed(plans: Iterable[Plan], binarizer: Binarizer) -> dict[str, Need]:
    """Everything that networks of any of these plans need, as large as the largest wants it."""
    needs: dict[str, Need] = {}
    seen: set[tuple[object, ...]] = set()
    for plan in plans:
        for step in plan.steps:
            kind = (step.op, step.source, step.norm, step.thresholds, step.scales)
            if kind in seen:
                continue
            seen.add(kind)
            for need in _of_step(step, binarizer):
                known = needs.get(need.name, need)
                shape = tuple(map(max, known.shape, need.shape))
                needs[need.name] = Need(need.name, shape, need.first)
    return needs


def _of_step(step: Step, binarizer: Binarizer) -> Iterator[Need]:
    if step.source is not None:
        yield from _of_weights(step.op, step.source, binarizer)
    yield from _of_writing(step)


def _of_weights(op: Op, source: Source, binarizer: Binarizer) -> Iterator[Need]:
    match op:
        case BinaryConv():
            rows = 1 if source.latent else _rows(source)
            weights = (rows, op.filters, op.kernel, op.kernel, op.channels)
            yield Need(name_of(source, "weight"), weights, First.NORMAL)
            if binarizer.scale is Scale.LEARNT and not source.latent:
                yield Need(name_of(source, "scale"), (rows, op.filters), First.MAGNITUDES)
        case RealConv():
            kernels = (op.filters, op.kernel, op.kernel, op.channels // op.groups)
            yield Need(name_of(source, "weight"), kernels, First.NORMAL)
            if source.at == "head":
                yield Need(name_of(source, "bias"), (op.filters,), First.ZEROS)
        case Linear():
            yield Need(name_of(source, "weight"), (op.filters, op.channels), First.NORMAL)
            yield Need(name_of(source, "bias"), (op.filters,), First.ZEROS)
        case Mix(kind=Blend.GATE):
            yield Need(name_of(source, "theta"), (min(op.inputs, op.outputs),), First.ZEROS)
        case Mix(kind=Blend.ROUTE):
            yield Need(name_of(source, "mixing"), (op.outputs, op.inputs), First.ZEROS)
        case _:
            raise AssertionError(f"{type(op).__name__} has no weights")


def _of_writing(step: Step) -> Iterator[Need]:
    """Of what follows a product: norms, curves, sums and signs."""
    op = step.op
    filters = op.channels if not hasattr(op, "filters") else op.filters
    if step.norm is not None:
        shape = (_rows(step.norm), filters)
        yield Need(name_of(step.norm, "gamma"), shape, First.ONES)
        yield Need(name_of(step.norm, "beta"), shape, First.ZEROS)
        yield Need(name_of(step.norm, "mean"), shape, First.BUFFER_ZEROS)
        yield Need(name_of(step.norm, "variance"), shape, First.BUFFER_ONES)
        if op.after.outer is Curve.PRELU:  # type: ignore[union-attr]
            yield Need(name_of(step.norm, "before"), shape, First.ZEROS)
            yield Need(name_of(step.norm, "curve"), shape, First.QUARTERS)
            yield Need(name_of(step.norm, "after"), shape, First.ZEROS)
    if step.scales is not None:
        rows = op.inputs if step.scales.latent else len(step.scales.bases)  # type: ignore[union-attr]
        yield Need(name_of(step.scales, "factor"), (rows,), First.ONES)
    if step.thresholds is not None:
        if step.thresholds.latent:
            signs = op.signs if isinstance(op, Pack | Mix) else op.after.signs  # type: ignore[union-attr]
            yield Need(name_of(step.thresholds, "shifts"), (signs,), First.SHIFTS)
        else:
            shape = (_rows(step.thresholds), filters)
            yield Need(name_of(step.thresholds, "threshold"), shape, First.ZEROS)


def _rows(source: Source) -> int:
    return max(source.bases) + 1 if source.bases else 1


class Bank(nn.Module):
    """Named tensors, learnt or not; what computes asks for as much of one as it needs."""

    def __init__(self, tensors: dict[str, Tensor], learnt: Iterable[str]) -> None:
        super().__init__()
        learnt = set(learnt)
        for name, tensor in tensors.items():
            if name in learnt:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)

    @classmethod
    def new(cls, needs: dict[str, Need], seed: int) -> Bank:
        """First values, each from the seed and the parameter's own name."""
        tensors: dict[str, Tensor] = {}
        for need in needs.values():
            if need.first is not First.MAGNITUDES:
                tensors[need.name] = _first(need, seed)
        for need in needs.values():
            if need.first is First.MAGNITUDES:
                weight = tensors[need.name.removesuffix("scale") + "weight"]
                tensors[need.name] = weight.abs().mean((2, 3, 4))
        return cls(tensors, [need.name for need in needs.values() if need.first.learnt])

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def tensors(self) -> dict[str, Tensor]:
        return {**self._parameters, **self._buffers}  # type: ignore[dict-item]

    def rows(self, source: Source, part: str) -> Tensor:
        """Of the bases that the source names; of the first row where there is one for all."""
        tensor = self.whole(source, part)
        first, last = (source.bases[0], source.bases[-1]) if source.bases else (0, 0)
        return tensor if len(tensor) == last + 1 and first == 0 else tensor[first : last + 1]

    def whole(self, source: Source, part: str) -> Tensor:
        tensor = self.find(source, part)
        assert tensor is not None, name_of(source, part)
        return tensor

    def find(self, source: Source, part: str) -> Tensor | None:
        name = name_of(source, part)
        return self._parameters.get(name, self._buffers.get(name))

    def part_for(self, needs: dict[str, Need], *, copied: bool) -> Bank:
        """The leading part of each tensor that these needs name. Buffers are always copied."""
        tensors: dict[str, Tensor] = {}
        mine = self.tensors()
        for need in needs.values():
            part = mine[need.name].detach()[tuple(slice(n) for n in need.shape)]
            tensors[need.name] = part.clone() if copied or not need.first.learnt else part
        return Bank(tensors, [need.name for need in needs.values() if need.first.learnt])


def _first(need: Need, seed: int) -> Tensor:
    match need.first:
        case First.NORMAL:
            fan = math.prod(need.shape[2:] if len(need.shape) == 5 else need.shape[1:])
            generator = torch.Generator().manual_seed(crc32(f"{seed} {need.name}".encode()))
            return torch.randn(need.shape, generator=generator) * math.sqrt(2 / fan)
        case First.ONES | First.BUFFER_ONES:
            return torch.ones(need.shape)
        case First.QUARTERS:
            return torch.full(need.shape, 0.25)
        case First.SHIFTS:
            return first_shifts(need.shape[0])
        case _:
            return torch.zeros(need.shape)
