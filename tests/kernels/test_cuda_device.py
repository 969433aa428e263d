"""What is asked of CuPy, and in which order: told by one that only writes it down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kernels.cuda import nvrtc
from kernels.cuda.device import Gpu, Shared
from kernels.cuda.launch import Bound, Kernel

ONE = Bound(Kernel("one", "text"), (1, 1, 1), 32, np.zeros(1, np.int64))


class Stream:
    def __init__(self, said: list[str], name: str) -> None:
        self.said, self.name = said, name

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begin_capture(self) -> None:
        self.said.append("begin")

    def end_capture(self) -> Any:
        self.said.append("end")
        return SimpleNamespace(launch=lambda stream: self.said.append(f"replay on {stream.name}"))

    def record(self) -> str:
        return f"what {self.name} did"

    def wait_event(self, event: str) -> None:
        self.said.append(f"{self.name} waits for {event}")


class Function:
    num_regs = 32

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def __call__(self, grid: object, threads: object, given: object) -> None:
        self.said.append("launch")


class Full(MemoryError):
    pass


@contextmanager
def current(_: int) -> Iterator[None]:
    yield


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def gpu(said: list[str], monkeypatch: pytest.MonkeyPatch) -> Gpu:
    def full(size: int) -> None:
        raise Full(f"of {size}")

    about = {"name": b"a GPU", "major": 9, "minor": 0, "multiProcessorCount": 4}
    cuda = SimpleNamespace(
        runtime=SimpleNamespace(
            getDeviceProperties=lambda index: about, runtimeGetVersion=lambda: 12000
        ),
        Device=current,
        Stream=lambda non_blocking: Stream(said, "ours"),
        ExternalStream=lambda number: Stream(said, f"stream {number}"),
        alloc=full,
        memory=SimpleNamespace(OutOfMemoryError=Full),
    )
    module = SimpleNamespace(get_function=lambda name: Function(said))
    cupy = SimpleNamespace(cuda=cuda, RawModule=lambda path: module)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(nvrtc, "library", lambda major: None)
    monkeypatch.setattr(nvrtc, "every", lambda compiler, texts, arch: ["a file" for _ in texts])
    opened = Gpu()
    opened.load([ONE.kernel])
    return opened


def test_what_is_recorded_runs_once_for_each_call(gpu: Gpu, said: list[str]) -> None:
    run = gpu.recorded([ONE, ONE])
    assert said == ["begin", "launch", "launch", "end"]
    run()
    assert said[4:] == ["replay on ours"]


def test_a_launch_that_fails_does_not_leave_the_stream_recording(
    gpu: Gpu, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("invalid configuration")

    monkeypatch.setattr(Function, "__call__", refused)
    with pytest.raises(RuntimeError, match="invalid configuration"):
        gpu.recorded([ONE])
    assert said == ["begin", "end"]


@pytest.mark.parametrize(("given", "stream"), [(7, "stream 7"), (None, "stream 1")])
def test_replays_are_in_order_with_the_streams_that_take_memory(
    gpu: Gpu, said: list[str], given: int | None, stream: str
) -> None:
    taken: dict[str, Any] = {}
    array = SimpleNamespace(shape=(2,), dtype=np.dtype("float32"), __dlpack__=taken.update)
    for _ in range(2):
        Shared(gpu, array).__dlpack__(stream=given, max_version=(1, 0))
    assert taken == {"stream": given or 1, "max_version": (1, 0)}
    run = gpu.recorded([ONE])
    said.clear()
    with gpu.in_order():
        run()
    assert said == [
        f"ours waits for what {stream} did",
        "replay on ours",
        f"{stream} waits for what ours did",
    ]


def test_a_stream_may_refuse_to_be_waited_for(gpu: Gpu, said: list[str]) -> None:
    array = SimpleNamespace(shape=(2,), dtype=np.dtype("float32"), __dlpack__=lambda stream: stream)
    assert Shared(gpu, array).__dlpack__(stream=-1) == -1
    with gpu.in_order():
        pass
    assert said == []


def test_a_device_that_is_full_says_so(gpu: Gpu) -> None:
    with pytest.raises(ValueError, match="a GPU has no room for 1,000 bytes more: of 1000"):
        gpu.room(1000)
