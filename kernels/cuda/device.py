"""A GPU, through CuPy: the only file that knows it. Nothing else is asked of it than `Device` says.

Kernels are compiled by `kernels.cuda.nvrtc` and kept on disk; CuPy loads their machine code.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kernels.cuda import nvrtc
from kernels.cuda.launch import Bound, Kernel, Room, prelude
from kernels.parameters import Array

INSTALL = "pip install 'binary-nas[cuda12]', or [cuda13] for a driver of CUDA 13"


class NoDevice(ValueError):
    """What is missing, in one line."""


def missing(index: int = 0) -> list[str]:
    """What a GPU program lacks here, in words; empty if nothing."""
    return lacking(_gpus(), importlib.util.find_spec("cupy") is not None, index)


def lacking(gpus: int | None, cupy: bool, index: int) -> list[str]:
    """With so many devices, None without a driver; and with CuPy or not."""
    words = []
    if gpus is None:
        words.append("an NVIDIA driver (libcuda.so.1)")
    elif gpus <= index:
        words.append(f"a device number {index} (the driver finds {gpus})")
    if not cupy:
        words.append(f"CuPy ({INSTALL})")
    return words


def _gpus() -> int | None:
    """How many the driver finds; None without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def index_of(name: str) -> int:
    """Of `cuda` or `cuda:1`."""
    kind, colon, number = name.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise ValueError(f"a device is cpu, cuda, or cuda:1 and so on; got {name!r}")
    return int(number or 0)


def open_device(name: str = "cuda") -> Gpu:
    index = index_of(name)
    if lacks := missing(index):
        raise NoDevice(f"--device {name} cannot be used here; missing: {', '.join(lacks)}")
    try:
        return Gpu(index)
    except ImportError as broken:
        raise NoDevice(f"CuPy is installed but cannot be imported: {broken}") from broken


class _GpuRoom:
    def __init__(self, memory: Any) -> None:
        self.memory = memory

    @property
    def address(self) -> int:
        return int(self.memory.ptr)


class Shared:
    """Memory of a GPU for another library, by DLPack. A stream that takes it is in order with
    replays from then on: the next sees what it did before, and it waits for that one's end.
    """

    def __init__(self, gpu: Gpu, array: Any) -> None:
        self._gpu, self._array = gpu, array
        self.shape, self.dtype = tuple(array.shape), array.dtype

    def __dlpack__(self, *, stream: int | None = None, **more: Any) -> Any:
        return self._gpu.hand_over(self._array, stream, more)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class Gpu:
    """See `kernels.cuda.launch.Device`."""

    def __init__(self, index: int = 0) -> None:
        import cupy

        self._cupy, self.index = cupy, index
        about = cupy.cuda.runtime.getDeviceProperties(index)
        self.name = str(about["name"].decode())
        self.capability = 10 * int(about["major"]) + int(about["minor"])
        self.processors = int(about["multiProcessorCount"])
        self.clock_ghz = float(about.get("clockRate", 0)) / 1e6
        self._functions: dict[str, Any] = {}
        self._others: dict[int, Any] = {}  # streams to which memory was handed over
        self._compiler = nvrtc.library(cupy.cuda.runtime.runtimeGetVersion() // 1000)
        with cupy.cuda.Device(index):
            self._stream = cupy.cuda.Stream(non_blocking=True)

    @contextlib.contextmanager
    def _here(self) -> Any:
        with self._cupy.cuda.Device(self.index), self._stream:
            yield

    def load(self, kernels: Iterable[Kernel]) -> None:
        new = {kernel.name: prelude() + kernel.text for kernel in kernels}
        new = {name: text for name, text in new.items() if name not in self._functions}
        files = nvrtc.every(self._compiler, [*new.values()], f"sm_{self.capability}")
        with self._here():
            for name, file in zip(new, files, strict=True):
                function = self._cupy.RawModule(path=str(file)).get_function(name)
                assert function.num_regs > 0  # to answer it the driver loads the code, now
                self._functions[name] = function

    def room(self, size: int) -> Room:
        try:
            with self._here():
                return _GpuRoom(self._cupy.cuda.alloc(max(size, 1)))
        except self._cupy.cuda.memory.OutOfMemoryError as full:
            raise ValueError(f"{self.name} has no room for {size:,} bytes more: {full}") from full

    def shared(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Shared:
        return Shared(self, self.view(room, at, shape, dtype))

    def hand_over(self, array: Any, stream: int | None, more: dict[str, Any]) -> Any:
        """To a stream as DLPack numbers them: None is the default one, -1 wants no order."""
        with self._here():
            if stream != -1:
                stream = 1 if stream is None else stream
                self._others.setdefault(stream, self._cupy.cuda.ExternalStream(stream))
            return array.__dlpack__(stream=stream, **more)

    @contextlib.contextmanager
    def in_order(self) -> Any:
        with self._here():
            for other in self._others.values():
                self._stream.wait_event(other.record())
            yield
            for other in self._others.values():
                other.wait_event(self._stream.record())

    def view(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Any:
        assert isinstance(room, _GpuRoom)
        with self._here():
            return self._cupy.ndarray(shape, np.dtype(dtype), room.memory + at)

    def write(self, room: Room, at: int, array: Array) -> None:
        with self._here():
            self.view(room, at, array.shape, str(array.dtype)).set(array, stream=self._stream)
            self._stream.synchronize()

    def read(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Array:
        with self._here():
            array: Array = self.view(room, at, shape, dtype).get(stream=self._stream)
            self._stream.synchronize()
            return array

    def recorded(self, launches: Sequence[Bound]) -> Callable[[], None]:
        """A CUDA graph. Nothing runs while it is taken up: values overwrite a program's image."""
        if not launches:
            return lambda: None
        with self._here():
            self._stream.begin_capture()
            try:
                self._launch(launches)
            finally:
                graph = self._stream.end_capture()

        def replay() -> None:
            with self._here():
                graph.launch(self._stream)

        return replay

    def _launch(self, launches: Sequence[Bound]) -> None:
        for one in launches:
            words = np.dtype([("words", np.int64, (one.argument.size,))])
            argument = one.argument.view(words)  # of size 1: CuPy passes it by value
            self._functions[one.kernel.name](one.grid, (one.threads, 1, 1), (argument,))

    def clock(self, run: Callable[[], None], rounds: int) -> list[float]:
        """By events before and behind each run, on its stream."""
        took = []
        events = self._cupy.cuda
        with self._here():
            begin, end = events.Event(), events.Event()
            for _ in range(rounds):
                begin.record(self._stream)
                run()
                end.record(self._stream)
                end.synchronize()
                took.append(events.get_elapsed_time(begin, end) * 1e6)
        return took
