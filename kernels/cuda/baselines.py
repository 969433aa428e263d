"""The same convolution in torch on the same GPU, as CUDA graphs. Torch is imported in functions.

Channels last, which is what its tensor cores want. Torch has no int8 convolution for a GPU. Its
int8 matrix product (`torch._int_mm`) is what a 1x1 convolution is, and a larger one once its fields
are copied together; that copying is left out of the time, so int8 looks better than it is.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels.cuda.choice import REPEATS, clocked
from kernels.ops import BinaryConv
from kernels.timing import Runs, Timing

DTYPES = ("float16", "bfloat16", "int8")


@dataclass(frozen=True, slots=True)
class Baseline:
    dtype: str
    timing: Timing | None = None
    reason: str = ""


def best(op: BinaryConv, batch: int, index: int = 0) -> list[Baseline]:
    """One for each number type; where there is none, the reason."""
    if reason := why_not():
        return [Baseline(dtype, reason=reason) for dtype in DTYPES]
    return [_one(dtype, op, batch, index) for dtype in DTYPES]


def why_not() -> str:
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    import torch

    return "" if torch.cuda.is_available() else "this torch has no CUDA, or finds no device"


def _one(dtype: str, op: BinaryConv, batch: int, index: int) -> Baseline:
    import torch

    try:
        with torch.inference_mode(), torch.cuda.device(index):
            call = (_int8 if dtype == "int8" else _conv)(op, batch, dtype)
            runs = graphed(call, REPEATS)
            return Baseline(dtype, clocked(runs))
    except (RuntimeError, AttributeError, NotImplementedError, TypeError) as refused:
        return Baseline(dtype, reason=str(refused).splitlines()[0][:120])


def _conv(op: BinaryConv, batch: int, dtype: str) -> Callable[[], Any]:
    import torch

    last: Any = {"memory_format": torch.channels_last}
    rng = torch.Generator("cuda").manual_seed(0)
    kind: Any = {"dtype": getattr(torch, dtype), "device": "cuda", "generator": rng}
    x = torch.randn((batch, op.channels, op.height, op.width), **kind).contiguous(**last)
    w = torch.randn((op.filters, op.channels, op.kernel, op.kernel), **kind).contiguous(**last)
    torch.backends.cudnn.benchmark = True
    return lambda: torch.nn.functional.conv2d(x, w, None, op.stride, op.padding, op.dilation)


def _int8(op: BinaryConv, batch: int, dtype: str) -> Callable[[], Any]:
    import torch

    rows = -(-max(batch * op.out_height * op.out_width, 32) // 8) * 8
    deep, filters = (-(-n // 8) * 8 for n in (op.products, op.filters))
    a = torch.randint(-127, 128, (rows, deep), dtype=torch.int8, device="cuda")
    b = torch.randint(-127, 128, (filters, deep), dtype=torch.int8, device="cuda").T
    return lambda: torch._int_mm(a, b)


def graphed(call: Callable[[], Any], repeats: int = 1) -> Runs:
    """So many calls in one CUDA graph, timed as `Device.clock` does it: what one of them takes."""
    import torch

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(repeats):
            call()
    event: Any = torch.cuda.Event
    begin, end = (event(enable_timing=True) for _ in range(2))

    def runs(n: int) -> list[float]:
        took = []
        for _ in range(n):
            begin.record()
            graph.replay()
            end.record()
            end.synchronize()
            took.append(begin.elapsed_time(end) * 1e6 / repeats)
        return took

    return runs
