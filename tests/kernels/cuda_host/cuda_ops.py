"""Many single ops on any device, compiled together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kernels.binary import Result
from kernels.cuda.alone import Alone, Ready
from kernels.cuda.launch import Device
from kernels.cuda.tiles import Tile
from kernels.ops import Op
from kernels.parameters import Array, Parameters


class Question(NamedTuple):
    """x: (sets, batch, height, width, channels), signs packed."""

    op: Op
    given: Parameters
    x: Array
    residual: Array | None = None
    tile: Tile | None = None

    def alone(self) -> Alone:
        return Alone(self.op, self.given, int(self.x.shape[1]), self.tile)


def answers(device: Device, questions: Sequence[Question]) -> list[Result]:
    asked = [question.alone() for question in questions]
    device.load(one.launch.kernel for one in asked)
    return [
        Ready(one, device).run(question.x, question.residual)
        for one, question in zip(asked, questions, strict=True)
    ]
