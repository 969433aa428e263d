"""Programs on a GPU: every op a launch, all values in one stretch of memory, all of it one call.

    device = open_device()                        # kernels.cuda.device
    program = CudaProgram(packed, 32, device)
    logits = program.run(images)                  # as of kernels.engine.Engine

Memory is laid out as on the CPU (`kernels.memory`), each value for a whole batch. To spare the way
over the CPU, write images to `images()`, call `replay()` and read `answer()`: that is the device's
own memory, which torch takes as its own by `torch.from_dlpack`, and the stream on which it does so
is in order with replays. Images have to be written before each replay, for other values take their
place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from kernels import memory
from kernels.cuda import real
from kernels.cuda.conv import Conv, Places, conv, guess, is_conv
from kernels.cuda.launch import Bound, Constants, Device, Launch, Place, bound
from kernels.cuda.tiles import Tile
from kernels.engine import Floats, Images, depths
from kernels.flow import Use
from kernels.ops import Op
from kernels.parameters import Array, Parameters
from kernels.program import Node, Program


class Choose(Protocol):
    def __call__(self, op: Conv, batch: int, device: Device) -> Tile: ...


def guessed(op: Conv, batch: int, device: Device) -> Tile:
    """By a rule, where nothing was measured. See `kernels.cuda.choice`."""
    return guess(op, batch, device.capability, device.processors)


def op_launch(op: Op, given: Parameters, at: Places, batch: int, tile: Tile | None) -> Launch:
    if tile is not None:
        return conv(op, given, at, batch, tile)  # type: ignore[arg-type]
    return real.real(op, given, at, batch)  # type: ignore[arg-type]


class CudaProgram:
    """A program on a device, for batches of so many images; fewer are filled up."""

    def __init__(
        self, program: Program, batch: int, device: Device, choose: Choose = guessed
    ) -> None:
        if batch < 1:
            raise ValueError(f"a batch has at least one image; got {batch}")
        self.program, self.batch, self.device = program, batch, device
        alive = memory.lives(program.values, program.nodes, program.output)
        self.layout = memory.layout(alive)
        self.choices: list[Tile | None] = []
        launches: list[Launch] = []
        for node, given in zip(program.nodes, program.parameters, strict=True):
            tile = choose(node.op, batch, device) if is_conv(node.op) else None  # type: ignore[arg-type]
            self.choices.append(tile)
            launches.append(op_launch(node.op, given, self._places(node), batch, tile))
        begin = self._begin()
        every = [*begin, *launches]
        device.load(one.kernel for one in every)
        self._constants = Constants(device, every)
        self._memory = device.room(batch * self.layout.bytes)
        self._pixels = device.room(batch * program.image.bytes // 4)
        self._normalises = [self._bound(one) for one in begin]
        self._nodes = [self._bound(one) for one in launches]
        self._runs: dict[bool, Callable[[], None]] = {}

    def run(self, images: Images) -> Floats:
        """(images, classes), or (images, height, width, classes) where the output is a map."""
        pixels = self._checked(images)
        answers = [np.empty((0, self._outputs()), np.float32)]
        for first in range(0, len(images), self.batch):
            some = images[first : first + self.batch]
            self._write(some, pixels)
            self.replay(pixels)
            shape = (self.batch, self._outputs())
            whole = self.device.read(self._memory, self._output(), shape, "float32")
            answers.append(whole[: len(some)])
        return self._shaped(np.concatenate(answers))

    def replay(self, pixels: bool) -> None:
        """One batch: from the images that lie there, to the answer. It may not have ended yet."""
        if pixels not in self._runs:
            begin = self._normalises if pixels else []
            self._runs[pixels] = self.device.recorded([*begin, *self._nodes])
        with self.device.in_order():
            self._runs[pixels]()

    def clock(self, images: Images, rounds: int = 1) -> list[float]:
        """The nanoseconds of each of so many runs on the device, of one batch that lies there."""
        pixels = self._checked(images)
        self._write(images[: self.batch], pixels)
        self.replay(pixels)
        return self.device.clock(self._runs[pixels], rounds)

    def clock_nodes(self, images: Images, rounds: int = 1) -> Array:
        """(rounds, nodes): the nanoseconds of each node alone, its launch among them."""
        pixels = self._checked(images)
        self._write(images[: self.batch], pixels)
        self.replay(pixels)
        took = [self.device.clock(self.device.recorded([one]), rounds) for one in self._nodes]
        return np.array(took).T

    def images(self, pixels: bool) -> Any:
        """Where images are read: uint8 if they are `pixels`, else float32."""
        form = self.program.image
        shape = (self.batch, form.height, form.width, form.channels)
        if pixels:
            return self.device.shared(self._pixels, 0, shape, "uint8")
        return self.device.shared(self._memory, self._image(), shape, "float32")

    def answer(self) -> Any:
        shape = (self.batch, self._outputs())
        return self.device.shared(self._memory, self._output(), shape, "float32")

    def values(self, images: Images) -> dict[int, Array]:
        """Every value of one batch, node by node: what a run computes, to be looked at."""
        pixels = self._checked(images)
        self._write(images[: self.batch], pixels)
        known: dict[int, Array] = {}
        self.device.recorded(self._normalises if pixels else [])()
        for node, launched in zip(self.program.nodes, self._nodes, strict=True):
            self.device.recorded([launched])()
            known |= {number: self._value(number) for number in node.writes}
        return known

    def _value(self, number: int) -> Array:
        value = self.program.values[number]
        sets, height, width, depth = depths(value)
        shape = (sets, self.batch, height, width, depth)
        at = self.batch * self.layout.offsets[number]
        return self.device.read(self._memory, at, shape, "uint8" if value.bits else "float32")

    def _begin(self) -> list[Launch]:
        program = self.program
        if program.normal is None:
            return []
        numbers = self.batch * program.image.bytes // 4
        return [real.normalise(program.normal, numbers, Place(self._image()))]

    def _bound(self, one: Launch) -> Bound:
        def address(place: Place) -> int:
            return (self._pixels if place.images else self._memory).address + place.at

        return bound(one, address, self._constants)

    def _places(self, node: Node) -> Places:
        return Places(
            reads=tuple(place for use in node.reads for place in self._sets(use)),
            residual=None if node.residual is None else next(self._sets(node.residual)),
            floats=None if node.floats is None else self._written(node.floats),
            bits=None if node.bits is None else self._written(node.bits),
        )

    def _sets(self, use: Use) -> Iterator[Place]:
        if use.value == 0 and self.program.pixels:
            yield Place(0, images=True)
            return
        begin, step = self.layout.offsets[use.value], self.program.values[use.value].set_bytes
        for n in range(use.first, use.first + use.sets):
            yield Place(self.batch * (begin + n * step))

    def _written(self, value: int) -> Place:
        return Place(self.batch * self.layout.offsets[value])

    def _image(self) -> int:
        return self.batch * self.layout.offsets[0]

    def _output(self) -> int:
        return self.batch * self.layout.offsets[self.program.output]

    def _outputs(self) -> int:
        return self.program.values[self.program.output].bytes // 4

    def _write(self, images: Images, pixels: bool) -> None:
        room, at = (self._pixels, 0) if pixels else (self._memory, self._image())
        self.device.write(room, at, np.ascontiguousarray(images))

    def _checked(self, images: Images) -> bool:
        """Whether they are pixels, of the right form."""
        form = self.program.image
        shape = (form.height, form.width, form.channels)
        if not isinstance(images, np.ndarray) or images.ndim != 4 or images.shape[1:] != shape:
            got = getattr(images, "shape", type(images).__name__)
            raise ValueError(f"images are (batch, {', '.join(map(str, shape))}); got {got}")
        if images.dtype == np.uint8:
            if self.program.normal is None and not self.program.pixels:
                raise TypeError("this program does not say how to normalise uint8: give it float32")
            return True
        if self.program.pixels:
            raise TypeError(f"this program takes pixels, as uint8; got {images.dtype}")
        if images.dtype != np.float32:
            raise TypeError(f"images are uint8 or float32; got {images.dtype}")
        return False

    def _shaped(self, output: Floats) -> Floats:
        value = self.program.values[self.program.output]
        if (value.height, value.width) == (1, 1):
            return output
        return output.reshape(len(output), value.height, value.width, value.channels)
