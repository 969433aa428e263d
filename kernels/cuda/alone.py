"""One op by itself on a device: for tests, and to be timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels import sample
from kernels.binary import Result
from kernels.cuda.conv import Places, is_conv
from kernels.cuda.launch import ALIGN, Bound, Constants, Device, Launch, Place, bound
from kernels.cuda.program import op_launch
from kernels.cuda.tiles import Tile
from kernels.engine import depths
from kernels.flow import Value, flow
from kernels.ops import BinaryConv, BinaryLinear, Op, Stem
from kernels.parameters import Array, Parameters

Shape = tuple[tuple[int, ...], str]


class Alone:
    """The launch of an op, and where its arrays lie in a memory of its own."""

    def __init__(self, op: Op, given: Parameters, batch: int, tile: Tile | None) -> None:
        if (tile is not None) != is_conv(op):
            raise ValueError(f"a tile is of a convolution, and every one has one; got {tile}")
        self.op, self.batch, self.tile = op, batch, tile
        self.shapes: dict[str, Shape] = {}
        form = flow(op)
        self._add("x", form.reads, "uint8" if isinstance(op, Stem) else None)
        self._add("residual", form.residual)
        self._add("floats", form.floats)
        self._add("bits", form.bits)
        if isinstance(op, BinaryConv | BinaryLinear) and op.after.raw:
            conv = op.as_conv() if isinstance(op, BinaryLinear) else op
            dots = Value(False, conv.pairs, conv.out_height, conv.out_width, conv.filters)
            self._add("dots", dots, "int32")
        self.offsets, self.bytes = dict[str, int](), 0
        for name, (shape, dtype) in self.shapes.items():
            self.offsets[name] = self.bytes
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            self.bytes += -(-size // ALIGN) * ALIGN
        self.launch: Launch = op_launch(op, given, self._places(), batch, tile)

    def _add(self, name: str, value: Value | None, dtype: str | None = None) -> None:
        if value is not None:
            sets, *rest = depths(value)
            plain = "uint8" if value.bits else "float32"
            self.shapes[name] = ((sets, self.batch, *rest), dtype or plain)

    def _places(self) -> Places:
        (sets, *rest), dtype = self.shapes["x"]
        each = int(np.prod(rest)) * np.dtype(dtype).itemsize
        reads = tuple(Place(self.offsets["x"] + n * each) for n in range(sets))
        others: dict[str, Any] = {
            name: Place(at) for name, at in self.offsets.items() if name != "x"
        }
        return Places(reads, **others)


class Ready:
    """It, with its constants, on a device."""

    def __init__(self, alone: Alone, device: Device) -> None:
        self.alone, self.device = alone, device
        device.load([alone.launch.kernel])
        self._constants = Constants(device, [alone.launch])
        self._room = device.room(alone.bytes)
        begin = self._room.address
        self.bound: Bound = bound(alone.launch, lambda place: begin + place.at, self._constants)

    def write(self, x: Array, residual: Array | None = None) -> None:
        for name, array in (("x", x), ("residual", residual)):
            if array is not None:
                assert self.alone.shapes[name] == (array.shape, str(array.dtype)), name
                whole = np.ascontiguousarray(array)
                self.device.write(self._room, self.alone.offsets[name], whole)

    def run(self, x: Array, residual: Array | None = None) -> Result:
        """Bits are (sets, signs, batch, height, width, bytes), as in `kernels.binary`."""
        self.write(x, residual)
        self.device.recorded([self.bound])()
        found = {
            name: self.device.read(self._room, self.alone.offsets[name], *self.alone.shapes[name])
            for name in ("floats", "bits", "dots")
            if name in self.alone.shapes
        }
        if "bits" in found:
            op: Any = self.alone.op
            signs = getattr(op, "after", op).signs
            found["bits"] = found["bits"].reshape(-1, signs, *found["bits"].shape[1:])
        return Result(**found)

    def fill(self, rng: np.random.Generator) -> None:
        """With random numbers: never zeros."""
        for name in ("x", "residual"):
            if name in self.alone.shapes:
                self.device.write(self._room, self.alone.offsets[name], self._random(name, rng))

    def _random(self, name: str, rng: np.random.Generator) -> Array:
        shape, dtype = self.alone.shapes[name]
        if dtype == "float32":
            return rng.standard_normal(shape, np.float32)
        if isinstance(self.alone.op, Stem):
            return rng.integers(0, 256, shape, np.uint8)
        return sample.drawn_bits(shape[:-1], flow(self.alone.op).reads.channels, rng)

    def repeated(self, times: int) -> Callable[[], None]:
        """So many runs as one call: what it takes to start one is in the time of none."""
        return self.device.recorded([self.bound] * times)


def filled(op: Op, batch: int, device: Device, tile: Tile | None) -> Ready:
    """An op with random parameters and inputs."""
    rng = np.random.default_rng(0)
    ready = Ready(Alone(op, sample.parameters(op, rng), batch, tile), device)
    ready.fill(rng)
    return ready
