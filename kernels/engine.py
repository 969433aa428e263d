"""Programs that run: every op laid out for a kernel of this machine, all of it one native call.

    engine = Engine(program)
    logits = engine.run(images)        # (batch, height, width, channels), uint8 or float32; where
                                       # a stem reads pixels, uint8

An engine may be run from several threads at once; each call has memory of its own, which the next
one takes over.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import _core, choice, isas, memory
from kernels.binary import Constants, Kernel
from kernels.flow import Use, flow
from kernels.isas import Choice
from kernels.ops import BinaryConv, BinaryLinear, Op
from kernels.parameters import Array, Parameters
from kernels.program import Node, Program
from kernels.real import Real

Floats = NDArray[np.float32]
Images = NDArray[np.uint8] | Floats
NOWHERE = -1
EPILOGUE = tuple(field.name for field in fields(Constants))


class Engine:
    """A program on this machine.

    `threads` share the work of one image, or take an image each where there are several. Kernels of
    binary ops are the fastest measured here, or, with `measured=False`, the first that fits; with
    `isa` of that instruction set.
    """

    def __init__(
        self,
        program: Program,
        *,
        threads: int = 1,
        isa: str | None = None,
        measured: bool = True,
    ) -> None:
        self.program, self.threads = program, threads
        alive = memory.lives(program.values, program.nodes, program.output)
        self.layout = memory.layout(alive)
        self.choices: list[Choice | None] = []
        self._runners: list[Any] = []
        for node, given in zip(program.nodes, program.parameters, strict=True):
            chosen = None
            if isinstance(node.op, BinaryConv | BinaryLinear):
                chosen = choose(node.op, threads, isa, measured)
            self.choices.append(chosen)
            self._runners.append(runner(node.op, given, chosen, isa))
        self._core = self._assembled()

    def _assembled(self) -> Any:
        """The native program; it keeps the runners alive."""
        program, image, at = self.program, self.program.image, self.layout.offsets
        normal = program.normal
        output = program.values[program.output]
        core = _core.Program(
            height=image.height,
            width=image.width,
            channels=image.channels,
            image=at.get(0, NOWHERE),
            mean=list(normal.mean) if normal else [],
            std=list(normal.std) if normal else [],
            output=at[program.output],
            outputs=output.height * output.width * output.channels,
            bytes=self.layout.bytes,
        )
        for node, runs in zip(program.nodes, self._runners, strict=True):
            core.add(
                runs,
                reads=[place for use in node.reads for place in self._places(use)],
                residual=NOWHERE if node.residual is None else self._place(node.residual),
                floats=NOWHERE if node.floats is None else at[node.floats],
                bits=NOWHERE if node.bits is None else at[node.bits],
            )
        return core

    def _place(self, use: Use) -> int:
        return self.layout.offsets[use.value] + use.first * self.program.values[use.value].set_bytes

    def _places(self, use: Use) -> list[int]:
        if use.value == 0:
            return [NOWHERE]
        first, step = self._place(use), self.program.values[use.value].set_bytes
        return [first + n * step for n in range(use.sets)]

    def run(self, images: Images) -> Floats:
        """(batch, classes), or (batch, height, width, classes) where the output is a map."""
        batch, output = self._call(images)
        self._core.run(batch, images, output, self.threads)
        return self._shaped(output)

    def clock(self, images: Images, rounds: int = 1) -> list[int]:
        """The nanoseconds of each of so many runs, taken in the core: no Python is in them."""
        batch, output = self._call(images)
        took: list[int] = self._core.clock(batch, images, output, self.threads, rounds)
        return took

    def clock_nodes(self, images: Images, rounds: int = 1) -> NDArray[np.int64]:
        """(rounds, nodes): the nanoseconds of each node in each run."""
        batch, output = self._call(images)
        took = self._core.clock_nodes(batch, images, output, self.threads, rounds)
        return np.array(took, np.int64)

    def values(self, images: Images) -> dict[int, Array]:
        """Every value, node by node: what a run computes, to be looked at.

        Floats are (sets, batch, height, width, channels), signs packed likewise; the image is as
        the first ops read it.
        """
        self._call(images)
        if (normal := self.program.normal) is not None and images.dtype == np.uint8:
            mean, std = np.array(normal.mean, np.float32), np.array(normal.std, np.float32)
            images = (images.astype(np.float32) - mean) / std
        known: dict[int, Array] = {0: images[None]}
        for node, runs in zip(self.program.nodes, self._runners, strict=True):
            known |= self._one(node, runs, known)
        return known

    def _one(self, node: Node, runs: Any, known: dict[int, Array]) -> dict[int, Array]:
        batch, form = known[0].shape[1], flow(node.op)

        def part(use: Use) -> Array:
            return known[use.value][use.first : use.first + use.sets]

        def new(number: int | None) -> Array | None:
            if number is None:
                return None
            sets, height, width, depth = depths(self.program.values[number])
            kind = np.uint8 if self.program.values[number].bits else np.float32
            return np.empty((sets, batch, height, width, depth), kind)

        reads = np.concatenate([part(use) for use in node.reads])
        _, height, width, depth = depths(form.reads)
        reads = np.ascontiguousarray(reads.reshape(len(reads), batch, height, width, depth))
        residual = None if node.residual is None else np.ascontiguousarray(part(node.residual))
        floats, bits = new(node.floats), new(node.bits)
        runs.step(batch, reads, residual, floats, bits, self.threads)
        wrote = ((node.floats, floats), (node.bits, bits))
        return {n: a for n, a in wrote if n is not None and a is not None}

    def _call(self, images: Images) -> tuple[int, Floats]:
        image, output = self.program.image, self.program.values[self.program.output]
        form = (image.height, image.width, image.channels)
        if not isinstance(images, np.ndarray) or images.ndim != 4 or images.shape[1:] != form:
            got = getattr(images, "shape", type(images).__name__)
            raise ValueError(f"images are (batch, {', '.join(map(str, form))}); got {got}")
        if self.program.pixels:
            if images.dtype != np.uint8:
                raise TypeError(f"this program takes pixels, as uint8; got {images.dtype}")
        elif images.dtype == np.uint8 and self.program.normal is None:
            raise TypeError("this program does not say how to normalise uint8: give it float32")
        outputs = output.height * output.width * output.channels
        return len(images), np.empty((len(images), outputs), np.float32)

    def _shaped(self, output: Floats) -> Floats:
        value = self.program.values[self.program.output]
        if (value.height, value.width) == (1, 1):
            return output
        return output.reshape(len(output), value.height, value.width, value.channels)


def depths(value: Any) -> tuple[int, int, int, int]:
    """Sets, height, width, and how many numbers or bytes a pixel is."""
    depth = (value.channels + 7) // 8 if value.bits else value.channels
    return value.sets, value.height, value.width, depth


def choose(op: BinaryConv | BinaryLinear, threads: int, isa: str | None, measured: bool) -> Choice:
    if measured:
        return choice.chosen(op, threads, isa)
    return choice.candidates(op.as_conv(), isa)[0]


def runner(op: Op, given: Parameters, chosen: Choice | None, isa: str | None = None) -> Any:
    """The native op, ready to run."""
    if isinstance(op, BinaryConv | BinaryLinear):
        assert chosen is not None
        constants = Constants(**{name: given[name] for name in EPILOGUE if name in given})
        return Kernel(op, given["weights"], constants, choice=chosen).core
    return Real(op, given, isa=isas.choose(isa).name).core
